import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { attach, reportOf } from '../../dist/index.js';
import { bytesInUse } from '../measure/memory.js';
import { givenTask } from '../measure/processes.js';

export interface CallsTask {
  readonly calls: number;
  readonly samples: number;
}

export interface HeapOfCalls {
  readonly retries: number;
  /** After each of the samples' share of the calls. */
  readonly bytes: readonly number[];
}

const CONCURRENT = 500;

let attempts = 0;

/** Every tenth attempt is answered 503. */
const adapter: AxiosAdapter = (config) => {
  const status = ++attempts % 10 === 0 ? 503 : 200;
  const response = { data: '{"ok":true}', status, statusText: '', headers: {}, config };
  return status === 200
    ? Promise.resolve(response)
    : Promise.reject(new AxiosError('down', AxiosError.ERR_BAD_RESPONSE, config, null, response));
};

const api = axios.create({ baseURL: 'https://api.example.com', timeout: 5_000, adapter });
attach(api, { retry: { backoff: () => 0 } });

const { calls, samples } = givenTask() as CallsTask;
const bytes: number[] = [];
let retries = 0;

async function call(): Promise<void> {
  const report = reportOf(await api.get('/users/42'));
  retries += (report?.attempts ?? 1) - 1;
}

for (let sample = 0; sample < samples; sample++) {
  for (let done = 0; done < calls / samples; done += CONCURRENT) {
    await Promise.all(Array.from({ length: CONCURRENT }, call));
  }
  bytes.push(await bytesInUse());
}
process.send?.({ retries, bytes } satisfies HeapOfCalls);
