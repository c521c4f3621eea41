import { Agent } from 'node:http';
import axios, { type AxiosAdapter, type AxiosInstance } from 'axios';

/** Answers at once, without a network. */
const answerAtOnce: AxiosAdapter = (config) =>
  Promise.resolve({ data: '{"ok":true}', status: 200, statusText: 'OK', headers: {}, config });

/** An instance on a real service, or without a URL on an adapter that does nothing. */
export const createApi = (url: string | undefined): AxiosInstance =>
  url === undefined
    ? axios.create({ baseURL: 'https://api.example.com', timeout: 5_000, adapter: answerAtOnce })
    : axios.create({ baseURL: url, timeout: 5_000, proxy: false, httpAgent: new Agent({ keepAlive: true }) });
