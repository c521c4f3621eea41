import { read } from '../../fields.js';

/** What can be read of one error: its fields that are strings. */
export interface Link {
  /** The thing itself, to compare with. */
  readonly value: object;
  readonly name: string;
  readonly message: string;
  readonly code: string;
  /** The call of the operating system that failed, on Node. */
  readonly syscall: string;
}

const MAX_LINKS = 16;
const MAX_CODE = 64;
const MAX_MESSAGE = 500;

/** The error, the members of AggregateErrors and its causes, as far as they can be read; at most 16. */
export function chainOf(error: unknown, chain: Link[] = []): readonly Link[] {
  if (typeof error !== 'object' || error === null) return chain;
  if (chain.length >= MAX_LINKS || chain.some(({ value }) => value === error)) return chain;
  const text = (field: string, max: number): string => {
    const value = read(error, field);
    return typeof value === 'string' ? value.slice(0, max) : '';
  };
  const code = text('code', MAX_CODE + 1);
  chain.push({
    value: error,
    name: text('name', MAX_CODE),
    message: text('message', MAX_MESSAGE),
    code: code.length > MAX_CODE ? '' : code,
    syscall: text('syscall', MAX_CODE),
  });
  const members = read(error, 'errors');
  const count = read(members, 'length');
  for (let index = 0; typeof count === 'number' && index < Math.min(count, MAX_LINKS); index++) {
    chainOf(read(members, String(index)), chain);
  }
  return chainOf(read(error, 'cause'), chain);
}
