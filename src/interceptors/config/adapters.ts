import axios, { type AxiosAdapter, AxiosHeaders, getAdapter, type InternalAxiosRequestConfig } from 'axios';
import { accepted, failed, handedOn } from '../outcome/diagnosis.js';
import { plainHeaders } from './headers.js';

type Config = InternalAxiosRequestConfig;

/**
 * Adapter names are resolved by our copy of axios, and up to 1.8.4 headers of another copy (ESM beside CommonJS) would be
 * lost, those of the request in the adapter and those of the response behind it: between copies they go as plain objects.
 */
export function resolveAdapter(adapter: Config['adapter'], config: Config): AxiosAdapter {
  if (typeof adapter === 'function') return adapter;
  const named = getAdapter(adapter ?? axios.defaults.adapter, config);
  if (config.headers instanceof AxiosHeaders) return named;
  config.headers = new AxiosHeaders(plainHeaders(config.headers));
  return async (given) => {
    const result = await named(given).then(accepted, failed);
    const { response } = result;
    if (response) response.headers = Object.assign({}, response.headers);
    return handedOn(result);
  };
}
