import type { AxiosResponse } from 'axios';

const MAX_DEPTH = 4;

interface StreamLike {
  readonly pipe?: unknown;
  readonly getReader?: unknown;
}

/** Whether a body is, or holds, a stream: once sent, it is used up. */
export function isOneShot(data: unknown, depth = 0): boolean {
  if (typeof data !== 'object' || data === null) return false;
  const { pipe, getReader } = data as StreamLike;
  if (typeof pipe === 'function' || typeof getReader === 'function') return true;
  if (depth === MAX_DEPTH || !(Array.isArray(data) || isPlain(data))) return false;
  return Object.values(data).some((value) => isOneShot(value, depth + 1));
}

function isPlain(data: object): boolean {
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
