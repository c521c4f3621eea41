import type { InternalAxiosRequestConfig } from 'axios';
import { read } from '../../fields.js';
import type { Result } from '../outcome/diagnosis.js';

/** Where an error, its response, or a response carries the one config, it carries the other from now on. */
export function exchangeConfig(
  { error, response }: Result,
  carried: InternalAxiosRequestConfig,
  config: InternalAxiosRequestConfig,
): void {
  for (const carrier of [error, response]) {
    if (read(carrier, 'config') === carried) Reflect.set(carrier as object, 'config', config);
  }
}
