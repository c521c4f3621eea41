/** A field of anything; `undefined` where there is none, or reading it throws. */
export function read(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[field];
  } catch {
    return undefined;
  }
}

/** Gives an object a field that neither loops nor `JSON.stringify` see; `false` where it takes none. */
export const hide = (target: object, field: PropertyKey, value: unknown): boolean =>
  Reflect.defineProperty(target, field, { value, writable: true, configurable: true, enumerable: false });
