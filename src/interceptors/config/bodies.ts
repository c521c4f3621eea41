import type { AxiosResponse } from 'axios';

const MAX_DEPTH = 4;

interface StreamLike {
  readonly pipe?: unknown;
  readonly getReader?: unknown;
  readonly once?: (event: 'close' | 'end', listener: () => void) => void;
  readonly destroyed?: boolean;
}

/** Whether a body is, or holds, a stream: once sent, it is used up. */
export function isOneShot(data: unknown, depth = 0, seen = new Set<unknown>()): boolean {
  if (typeof data !== 'object' || data === null || seen.has(data)) return false;
  const { pipe, getReader } = data as StreamLike;
  if (typeof pipe === 'function' || typeof getReader === 'function') return true;
  if (depth === MAX_DEPTH || !(Array.isArray(data) || isPlain(data))) return false;
  seen.add(data);
  return Object.values(data).some((value) => isOneShot(value, depth + 1, seen));
}

/** Whether no class has made it. */
export function isPlain(data: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(data);
  return prototype === null || prototype === Object.prototype;
}

/** Frees the connection of a streamed response that nobody will read. */
export function discard(response: AxiosResponse | undefined): void {
  const body = response?.data as
    | { destroy?: () => void; on?: (event: 'error', listener: () => void) => void; cancel?: () => Promise<void> }
    | null
    | undefined;
  if (typeof body?.destroy === 'function') {
    body.on?.('error', () => undefined);
    body.destroy();
  } else if (typeof body?.cancel === 'function') {
    body.cancel().catch(() => undefined);
  }
}

/** Made with the first: not every engine has it. */
let collected: FinalizationRegistry<() => void> | undefined;

/**
 * Calls `release` when a streamed body has been read or destroyed; a web stream tells neither, so for one when it is
 * collected. `false`, and nothing is called, for a body that is no stream, or a stream no more.
 *
 * @param release Must not know the body.
 */
export function whenRead(body: unknown, release: () => void): boolean {
  if (typeof body !== 'object' || body === null) return false;
  const { once, pipe, getReader, destroyed } = body as StreamLike;
  if (typeof once === 'function' && typeof pipe === 'function') {
    if (destroyed) return false;
    once.call(body, 'close', release);
    once.call(body, 'end', release);
    return true;
  }
  if (typeof getReader !== 'function' || typeof FinalizationRegistry !== 'function') return false;
  collected ??= new FinalizationRegistry((held) => held());
  collected.register(body, release);
  return true;
}
