/** The signal's reason; polyfills (React Native, jsdom under Jest 29) have none. */
export const reasonOf = (signal: AbortSignal): unknown =>
  (signal as { reason?: unknown }).reason ?? namedError('This operation was aborted', 'AbortError');

/** As `signal.throwIfAborted()`, which polyfills do not have. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** A `DOMException`, or where there is none an error of the same name. */
export function namedError(message: string, name: string): Error {
  return typeof DOMException === 'function'
    ? new DOMException(message, name)
    : Object.assign(new Error(message), { name });
}
