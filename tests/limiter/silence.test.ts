import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { adaptiveLimit, attach } from '../../src/index.js';

const ORIGIN = 'https://api.example.com';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

interface Call {
  /** ms. */
  readonly takes: number;
  /** 200 unless given. */
  readonly status?: number;
  /** When the caller goes away, ms. */
  readonly leavesAfter?: number;
}

/** Calls with a timeout to a service that answers as each says, through a limiter and nothing else. */
class Calls {
  readonly #starts = new Map<number, number>();
  readonly #api;
  readonly #resilience;
  readonly #timeoutMs: number;
  #count = 0;
  #from = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#api = axios.create({ baseURL: ORIGIN, timeout: timeoutMs, adapter: this.#adapter });
    this.#resilience = attach(this.#api, {
      limiter: { limit: adaptiveLimit(), maxWaitMs: 60_000 },
      breaker: false,
      retry: false,
      random: () => 0.5,
    });
  }

  readonly #adapter: AxiosAdapter = async (config) => {
    const { takes, status = 200 } = config.params as Call;
    this.#starts.set(Number(config.url), performance.now() - this.#from);
    await new Promise<void>((resolve, reject) => {
      setTimeout(resolve, Math.min(takes, this.#timeoutMs || takes));
      config.signal?.addEventListener?.('abort', () => reject(new axios.CanceledError()));
    });
    if (this.#timeoutMs > 0 && takes >= this.#timeoutMs)
      throw new AxiosError('timeout', AxiosError.ECONNABORTED, config, {});
    const response = { status, statusText: '', data: '', headers: {}, config };
    if (status === 200) return response;
    throw new AxiosError(`status ${status}`, AxiosError.ERR_BAD_RESPONSE, config, {}, response);
  };

  get limit(): number {
    return this.#resilience.limiters[ORIGIN]?.limit as number;
  }

  /** When the calls since the warm-up were sent, in their order, ms; `undefined` for those that have not been. */
  get sentAt(): (number | undefined)[] {
    return Array.from({ length: this.#count }, (_, call) => this.#starts.get(call));
  }

  make({ leavesAfter, ...call }: Call): void {
    const caller = new AbortController();
    if (leavesAfter !== undefined) setTimeout(() => caller.abort(), leavesAfter);
    this.#api.get(String(this.#count++), { params: call, signal: caller.signal }).catch(() => undefined);
  }

  /** Calls that take so long, until the limit knows the service. */
  async warmUp(takes: number, atOnce: number): Promise<void> {
    for (let round = 0; round < 20; round++) {
      for (let call = 0; call < atOnce; call++) this.make({ takes });
      await vi.advanceTimersByTimeAsync(takes);
    }
    this.#starts.clear();
    this.#count = 0;
    this.#from = performance.now();
  }

  /** Makes each call at its time, ms, and lets so long pass in all. */
  async run(forMs: number, ...calls: readonly (readonly [number, Call])[]): Promise<void> {
    for (const [at, call] of calls) setTimeout(() => this.make(call), at);
    await vi.advanceTimersByTimeAsync(forMs);
  }
}

const SLOW = { takes: 900 };
const LOST = { takes: 1_000 };

describe('where nothing was answered for 0.35 of the timeout', () => {
  test.each<[number, number]>([
    [350, 350],
    [351, 900],
  ])('a call made after %i ms is sent after %i ms', async (at, sentAt) => {
    const calls = new Calls(1_000);
    await calls.warmUp(100, 2);
    await calls.run(2_000, [0, SLOW], [at, SLOW]);
    expect(calls.sentAt).toEqual([0, sentAt]);
  });

  test('a call is sent 1 s after the one before', async () => {
    const calls = new Calls(10_000);
    await calls.warmUp(100, 2);
    await calls.run(9_000, [0, { takes: 8_000 }], [3_400, { takes: 5_000 }], [3_501, SLOW]);
    expect(calls.sentAt).toEqual([0, 3_400, 4_400]);
  });

  test('a call long after the one before is sent at once, and with its answer others are, too', async () => {
    const calls = new Calls(10_000);
    await calls.warmUp(100, 2);
    const quick = { takes: 100 };
    await calls.run(9_000, [0, { takes: 8_000 }], [4_000, quick], [4_050, quick], [4_110, quick]);
    expect(calls.sentAt).toEqual([0, 4_000, 4_100, 4_110]);
  });

  test('after a whole timeout without an answer none is held any more: then timeouts tell', async () => {
    const calls = new Calls(1_000);
    await calls.warmUp(100, 2);
    await calls.run(3_000, [0, { ...LOST, leavesAfter: 950 }], [300, LOST], [600, LOST], [1_100, LOST]);
    expect(calls.sentAt).toEqual([0, 300, 1_000, 1_100]);
  });
});

describe('it is not silence', () => {
  test('where no call was in flight for a while', async () => {
    const calls = new Calls(1_000);
    await calls.warmUp(100, 2);
    await calls.run(2_000, [400, SLOW], [600, SLOW]);
    expect(calls.sentAt).toEqual([400, 600]);
  });

  test('where answers usually take as long', async () => {
    const calls = new Calls(1_000);
    await calls.warmUp(300, 2);
    await calls.run(2_000, [0, SLOW], [600, SLOW]);
    expect(calls.sentAt).toEqual([0, 600]);
  });

  test('where the service has answered something else: that a request failed', async () => {
    const calls = new Calls(1_000);
    await calls.warmUp(100, 2);
    await calls.run(2_000, [0, SLOW], [200, { takes: 50, status: 500 }], [400, SLOW]);
    expect(calls.sentAt).toEqual([0, 200, 400]);
  });

  test('within 300 ms, however short the timeout', async () => {
    const calls = new Calls(500);
    await calls.warmUp(100, 2);
    await calls.run(2_000, [0, { takes: 490 }], [300, SLOW]);
    expect(calls.sentAt).toEqual([0, 300]);
  });

  test('where calls have no timeout', async () => {
    const calls = new Calls(0);
    await calls.warmUp(100, 2);
    await calls.run(20_000, [0, { takes: 9_000 }], [8_000, SLOW]);
    expect(calls.sentAt).toEqual([0, 8_000]);
  });
});

test('that a caller went away is no answer', async () => {
  const calls = new Calls(1_000);
  await calls.warmUp(100, 2);
  await calls.run(2_000, [0, SLOW], [200, { ...SLOW, leavesAfter: 50 }], [400, SLOW]);
  expect(calls.sentAt).toEqual([0, 200, 900]);
});
