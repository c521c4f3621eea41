import type { InternalAxiosRequestConfig } from 'axios';
import type { Result } from './diagnosis.js';

interface Carrier {
  readonly config?: InternalAxiosRequestConfig;
}

/** Where an error, its response, or a response carries the one config, it carries the other from now on. */
export function exchangeConfig(
  { error, response }: Result,
  carried: InternalAxiosRequestConfig,
  config: InternalAxiosRequestConfig,
): void {
  for (const carrier of [error, response] as (Carrier | null | undefined)[]) {
    if (carrier?.config === carried) Reflect.set(carrier, 'config', config);
  }
}
