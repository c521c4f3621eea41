import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import axios, { type AxiosInstance, type CancelTokenSource } from 'axios';
import { type ResilienceReport, type ResilienceRequestOptions, reportOf } from '../../dist/index.js';
import { CALL_HEADER, UNGUARDED } from './marks.js';
import { pick } from './random.js';

/** What all calls have in common: it must not remember any of them. */
export interface Surroundings {
  readonly api: AxiosInstance;
  readonly url: string;
  readonly random: () => number;
  /** Never aborted, and given to many calls. */
  readonly signal: AbortSignal;
  /** Never cancelled, and given to many calls. */
  readonly source: CancelTokenSource;
  /** Where a caller keeps what it was answered last: what goes on being kept of calls shows here. */
  readonly kept: unknown[];
}

export interface CallResult {
  /** Whether the call was to be left alone. */
  readonly untouched: boolean;
  readonly report: ResilienceReport | undefined;
}

const BASES = 6;
const MOST_KEPT = 1_000;

const METHODS = [
  [60, 'get'],
  [15, 'post'],
  [15, 'put'],
  [10, 'delete'],
] as const;

type Override = (random: () => number) => ResilienceRequestOptions | false | undefined;

const OVERRIDES: readonly (readonly [number, Override])[] = [
  [50, () => undefined],
  [5, () => false],
  [5, () => ({ retry: 1 })],
  [3, () => ({ retry: false })],
  [3, () => ({ breaker: false })],
  [5, () => ({ fallback: { stale: true } })],
  [5, () => ({ fallback: async () => ({ stale: true }), fallbackOn: 'failure' })],
  [8, (random) => ({ deadlineMs: 10 + random() * 400 })],
  [4, () => ({ idempotencyKey: true })],
  [3, () => ({ retry: { budget: false } })],
  [3, () => ({ retry: { shouldRetryResponse: async ({ attempt }) => attempt === 1 } })],
  [2, () => ({ retry: { beforeRetry: async () => delay(2) } })],
  [
    2,
    () => ({
      retry: {
        beforeRetry: () => {
          throw new Error('vetoed');
        },
      },
    }),
  ],
  [2, (random) => ({ retry: { beforeRetry: async () => delay(20) }, deadlineMs: 10 + random() * 100 })],
  // Long enough for most bodies: the signal has to reach them, and to let go of them.
  [6, () => ({ deadlineMs: 5_000 })],
];

type Ending = 'none' | 'signal' | 'token' | 'shared signal' | 'shared token' | 'at once';

const ENDINGS: readonly (readonly [number, Ending])[] = [
  [60, 'none'],
  [12, 'signal'],
  [8, 'token'],
  [10, 'shared signal'],
  [8, 'shared token'],
  [2, 'at once'],
];

/** Makes one random call and waits for its end, whatever that is. */
export async function callOnce(
  call: number,
  { api, url, random, signal, source, kept }: Surroundings,
): Promise<CallResult> {
  const method = pick(METHODS, random);
  const resilience = pick(OVERRIDES, random)(random);
  const untouched = resilience === false;
  const isUnguarded = resilience && resilience.breaker === false;
  const ending = pick(ENDINGS, random);
  const controller = new AbortController();
  const own = axios.CancelToken.source();
  const signals = { signal: controller.signal, 'shared signal': signal, 'at once': AbortSignal.abort() };
  const tokens = { token: own.token, 'shared token': source.token };
  const streams = method === 'get' && random() < 0.2;
  const end = ending === 'signal' || ending === 'token' ? setTimeout(cancel, random() * 300) : undefined;

  function cancel(): void {
    controller.abort();
    own.cancel();
  }

  try {
    const response = await api.request({
      baseURL: url + (isUnguarded ? UNGUARDED : `/service-${Math.floor(random() * BASES)}`),
      url: '/items',
      method,
      data: method === 'post' || method === 'put' ? { text: 'y'.repeat(200) } : undefined,
      headers: { [CALL_HEADER]: String(call) },
      resilience,
      ...(streams && { responseType: 'stream' }),
      ...(ending in signals && { signal: signals[ending as keyof typeof signals] }),
      ...(ending in tokens && { cancelToken: tokens[ending as keyof typeof tokens] }),
    });
    if (streams) await drained(response.data, random() < 0.2);
    kept[call % MOST_KEPT] = response;
    return { untouched, report: reportOf(response) };
  } catch (error) {
    kept[call % MOST_KEPT] = error;
    // As with bare axios, a body that nobody reads holds its signal.
    if (axios.isAxiosError(error)) await drained(error.response?.data, random() < 0.2);
    return { untouched, report: reportOf(error) };
  } finally {
    clearTimeout(end);
  }
}

/** A stream may break off after its response was handed on: that is the reader's affair. */
async function drained(stream: unknown, isLeft: boolean): Promise<void> {
  if (stream instanceof Readable && isLeft) stream.on('error', () => undefined).destroy();
  else if (stream instanceof Readable) await finished(stream.resume()).catch(() => undefined);
}
