import { retryAfterMs } from '../../retry-after.js';

type HeaderReader = (name: string) => unknown;

/** What a response says of the quota that is left. */
export interface Quota {
  readonly remaining: number;
  /** Until it is renewed, ms; `undefined` where that is not said. */
  readonly resetMs: number | undefined;
}

/** From here a number is no count of seconds but a time: seconds, or milliseconds, since the Unix epoch. */
const EPOCH_S = 1_000_000_000;
const EPOCH_MS = 1_000_000_000_000;

/** The longest hold, ms: one number that makes no sense must not stop a process for ever. The service is asked again then. */
const LONGEST_HOLD_MS = 86_400_000;

/** A field that is longer is nobody's quota. */
const LONGEST_FIELD = 4_096;

const textOf = (value: unknown): string => {
  const [first] = [value].flat<unknown[]>();
  const text = typeof first === 'string' || typeof first === 'number' ? String(first) : '';
  return text.length <= LONGEST_FIELD ? text : '';
};

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;

/**
 * What is left of the tightest quota that a response tells of, `undefined` where it tells of none:
 *
 * - `RateLimit: "name";r=0;t=30`, and `limit=10, remaining=0, reset=30` of earlier drafts
 *   (draft-ietf-httpapi-ratelimit-headers);
 * - `RateLimit-Remaining` and `RateLimit-Reset`, and the same with `X-` before it: seconds, or a time since the Unix epoch.
 */
export function quotaOf(header: HeaderReader): Quota | undefined {
  const quotas = [
    ...fieldQuotas(textOf(header('ratelimit'))),
    pairQuota(header, 'ratelimit'),
    pairQuota(header, 'x-ratelimit'),
  ].filter((quota) => quota !== undefined);
  return quotas.reduce<Quota | undefined>(
    (tightest, quota) => (isTighter(quota, tightest) ? quota : tightest),
    undefined,
  );
}

const isTighter = (one: Quota, other: Quota | undefined): boolean =>
  !other ||
  one.remaining < other.remaining ||
  (one.remaining === other.remaining && (one.resetMs ?? 0) > (other.resetMs ?? 0));

/** The items of the structured field, or the one quota of the earlier form. */
function fieldQuotas(field: string): (Quota | undefined)[] {
  if (/\bremaining\s*=/.test(field)) return [quota(parameter(field, 'remaining'), seconds(parameter(field, 'reset')))];
  return field.split(',').map((item) => quota(parameter(item, 'r'), seconds(parameter(item, 't'))));
}

const parameter = (text: string, name: string): number | undefined =>
  numberOf(new RegExp(`(?:^|[;,\\s])${name}\\s*=\\s*"?(\\d+)`).exec(text)?.[1]);

const seconds = (value: number | undefined): number | undefined => (value === undefined ? undefined : value * 1_000);

function pairQuota(header: HeaderReader, prefix: string): Quota | undefined {
  const reset = numberOf(textOf(header(`${prefix}-reset`)));
  return quota(
    numberOf(textOf(header(`${prefix}-remaining`))),
    reset === undefined ? undefined : resetMs(reset, header),
  );
}

function resetMs(reset: number, header: HeaderReader): number {
  if (reset < EPOCH_S) return reset * 1_000;
  const sent = Date.parse(textOf(header('date')));
  const now = Number.isNaN(sent) ? Date.now() : sent;
  return Math.max(0, (reset < EPOCH_MS ? reset * 1_000 : reset) - now);
}

const quota = (remaining: number | undefined, resetMs: number | undefined): Quota | undefined =>
  remaining === undefined ? undefined : { remaining, resetMs };

/** How long a response asks to stay away, ms, a day at most: a 429 with `Retry-After`, or one of a quota that is used up. */
export function holdMsOf(status: number | undefined, header: HeaderReader, left: Quota | undefined): number {
  const asked = status === 429 ? retryAfterMs(header) : undefined;
  return Math.min(LONGEST_HOLD_MS, Math.max(asked ?? 0, left?.remaining === 0 ? (left.resetMs ?? 0) : 0));
}
