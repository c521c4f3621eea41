import type { InternalAxiosRequestConfig } from 'axios';

type Config = InternalAxiosRequestConfig;

/** The config itself, or a copy where it is frozen, sealed or otherwise closed to what a call has to put on it. */
export const writable = (given: Config): Config =>
  Object.isExtensible(given) && Reflect.set(given, 'adapter', given.adapter) ? given : { ...given };

/**
 * Writes the values that stand on another config, as far as they can be written: somebody may have frozen the config since,
 * and by then the request is sent.
 */
export function overwrite(config: Config, shown: Config): void {
  for (const name of Reflect.ownKeys(shown)) {
    const isGetter = Reflect.getOwnPropertyDescriptor(shown, name)?.get !== undefined;
    if (!isGetter) Reflect.set(config, name, Reflect.get(shown, name));
  }
}
