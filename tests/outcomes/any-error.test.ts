import axios, { type AxiosAdapter, AxiosError, type AxiosInstance } from 'axios';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attach,
  CircuitBreaker,
  concurrencyLimit,
  customLimit,
  Limiter,
  type Outcome,
  reportOf,
  retry,
} from '../../src/index.js';
import { accepted, diagnose, failed } from '../../src/interceptors/outcome/diagnosis.js';

const throwing = () => {
  throw new Error('not to be read');
};
const FIELDS = ['name', 'message', 'code', 'cause', 'errors', 'response', 'request', 'config', 'syscall', '__CANCEL__'];
const TRAPS = ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor', 'set', 'defineProperty'];

/** What nobody puts on the list of the caller's own faults. */
const word = fc.string({ maxLength: 40 }).map((text) => `x${text}`);
const DOM_NAMES = ['NetworkError', 'TimeoutError', 'UnknownError', 'OperationError', 'EncodingError'];

/** Makers of errors: fast-check itself looks into what it is given. */
type Make = () => unknown;

const errors = fc.letrec<{ any: Make; leaf: Make }>((tie) => ({
  leaf: fc.oneof(
    fc
      .oneof(
        word,
        fc.constantFrom<unknown>(undefined, null, 0, 1n, true, Symbol('x'), () => 1, [], [1], Number.NaN),
      )
      .map((value) => () => value),
    word.map((message) => () => new Error(message)),
    word.map((message) => () => Object.freeze(new Error(message))),
    word.map((code) => () => Object.assign(new Error('coded'), { code })),
    word.map((code) => () => new AxiosError('of axios', code)),
    fc.integer().map((code) => () => Object.assign(new Error('numbered'), { code })),
    fc.constantFrom(...DOM_NAMES).map((name) => () => new DOMException('of the DOM', name)),
    fc.subarray(FIELDS).map((fields) => () => {
      const error = new Error('guarded');
      for (const field of fields) Object.defineProperty(error, field, { get: throwing });
      return error;
    }),
    fc.subarray(TRAPS).map((traps) => () => {
      const handler = Object.fromEntries(traps.map((name) => [name, throwing]));
      return new Proxy(new Error('proxied'), handler);
    }),
    fc.subarray(['status', 'headers', 'data', 'config']).map((fields) => () => {
      const response = { status: 503 };
      for (const field of fields) Object.defineProperty(response, field, { get: throwing });
      return Object.assign(new Error('answered'), { response, code: 'xcode' });
    }),
    fc.constant(() => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    }),
    fc
      .object({ key: fc.constantFrom(...FIELDS.slice(0, 7)), values: [word, fc.integer(), fc.constant(null)] })
      .map((error) => () => error),
  ),
  any: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    tie('any').map((cause) => () => new Error('caused', { cause: cause() })),
    fc.array(tie('any'), { maxLength: 4 }).map((members) => () => {
      return new AggregateError(
        members.map((member) => member()),
        'several',
      );
    }),
    tie('any').map((cause) => () => {
      const error: Error & { errors?: unknown } = new Error('round', { cause: cause() });
      error.errors = [error, cause()];
      return Object.assign(error, { cause: new Error('and round', { cause: error }) });
    }),
  ),
})).any;

const config = { headers: {} } as never;

const INNER = 'https://inner.example.com';
const nothingPasses = customLimit(() => ({ waitMs: () => Number.POSITIVE_INFINITY }));

/** An attempt of a call on an instance whose adapter ends so. */
async function attempted(adapter: AxiosAdapter) {
  const api = axios.create({ baseURL: 'https://api.example.com', adapter });
  const outcomes: Outcome[] = [];
  const resilience = attach(api, { retry: { retries: 1, backoff: () => 0 }, deadlineMs: 60_000 });
  resilience.on('attempt', ({ outcome }) => void outcomes.push(outcome));
  await api.get('/').catch(() => undefined);
  return { outcomes, inFlight: resilience.breakers.get('GET https://api.example.com')?.inFlight };
}

/** What a promise rejects with, of which nothing is read. */
const endOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );

describe('whatever an adapter throws after it was asked', () => {
  test('is a failure, unless it is on the list of what the caller did itself', () => {
    fc.assert(
      fc.property(errors, (make) => {
        expect(diagnose(failed(make()), config)).toMatchObject({ outcome: 'failure', broken: true });
      }),
      { numRuns: 5_000 },
    );
  });

  test('is retried, is counted, and costs no seat', async () => {
    await fc.assert(
      fc.asyncProperty(errors, fc.boolean(), async (make, atOnce) => {
        const error = make();
        const adapter = () => {
          if (atOnce) throw error;
          return Promise.reject(error);
        };
        expect(await attempted(adapter)).toMatchObject({ outcomes: ['failure', 'failure'], inFlight: 0 });
      }),
      { numRuns: 300 },
    );
  });

  test('is a failure for `execute`, and costs no seat', async () => {
    await fc.assert(
      fc.asyncProperty(errors, async (make) => {
        const error = make();
        const breaker = new CircuitBreaker('x');
        await breaker.execute(() => Promise.reject(error)).catch(() => undefined);
        expect(breaker.stats()).toMatchObject({ inFlight: 0, counts: { failure: 1 } });
      }),
      { numRuns: 300 },
    );
  });

  test('is a failure for a limiter, which takes its slot back and changes nothing of it', async () => {
    await fc.assert(
      fc.asyncProperty(errors, async (make) => {
        const error = make();
        const limiter = new Limiter('x', concurrencyLimit(1));
        const ends = [
          await endOf(limiter.execute(() => Promise.reject(error))),
          await endOf(retry(() => Promise.reject(error), { limiter, retries: 0 })),
        ];
        expect(ends.map((end) => end && Object.is(end.error, error))).toEqual([true, true]);
        expect(limiter.stats()).toMatchObject({ inFlight: 0, counts: { failure: 2 } });
      }),
      { numRuns: 300 },
    );
  });

  test.each(['ERR_CANCELED', 'AbortError', 'ERR_BAD_OPTION', 'ERR_INVALID_URL', 'ERR_CIRCUIT_OPEN', 'ERR_LIMITED'])(
    '%s is on the list',
    async (what) => {
      const cancelled = new axios.CanceledError();
      const error =
        what === 'ERR_CANCELED'
          ? cancelled
          : what === 'AbortError'
            ? new DOMException('', what)
            : new AxiosError('', what);
      expect((await attempted(() => Promise.reject(error))).outcomes).toEqual(['neutral']);
    },
  );

  test.each<[string, (api: AxiosInstance) => unknown]>([
    ['a circuit', (api) => attach(api).breakers.ensure(`GET ${INNER}`).trip()],
    [
      'a circuit with an error of the user',
      (api) => {
        const breaker = { createError: () => new Error('not now') };
        attach(api, { breaker }).breakers.ensure(`GET ${INNER}`).trip();
      },
    ],
    ['a limiter', (api) => attach(api, { limiter: { limit: nothingPasses, maxWaitMs: 0 } })],
  ])('the rejection of an instance behind the adapter is on the list: %s', async (_what, close) => {
    const inner = axios.create({ baseURL: INNER, adapter: () => Promise.reject(new Error('not to be asked')) });
    close(inner);
    const { outcomes, inFlight } = await attempted(() => inner.get('/'));
    expect([outcomes, inFlight]).toEqual([['neutral'], 0]);
  });

  test.each(['code', 'config', 'response'])(
    'one whose %s cannot be read is what the call rejects with',
    async (field) => {
      const error = Object.defineProperty(new Error('guarded'), field, { get: throwing });
      const api = axios.create({ adapter: () => Promise.reject(error) });
      attach(api, { retry: { retries: 0 }, deadlineMs: 60_000 });
      const thrown: unknown = await api.get('https://api.example.com/').catch((end: unknown) => end);
      // axios itself reads `response`, and is thrown at.
      expect((thrown as Error).message).toBe(field === 'response' ? 'not to be read' : 'guarded');
      if (field !== 'code') return;
      expect(thrown).toBe(error);
      expect(reportOf(thrown)).toMatchObject({ attempts: 1, history: [{ code: undefined }] });
    },
  );
});

describe('what a diagnosis costs', () => {
  /** The least of seven measurements of the processor's time, µs: others who use the machine do not count. */
  function costOf(work: () => unknown, times: number): number {
    const measure = () => {
      const before = process.cpuUsage();
      for (let count = 0; count < times; count++) work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / times;
    };
    measure();
    return Math.min(...Array.from({ length: 7 }, measure));
  }

  test('under 20 µs for an ordinary error', () => {
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
    const error = AxiosError.from(cause, undefined, config, { _redirectCount: 0 });
    expect(costOf(() => diagnose(failed(error), config), 2_000)).toBeLessThan(20);
  });

  test('under 1 ms for a chain of 10,000 causes, and for 10,000 errors in one', () => {
    let chain = new Error('first');
    for (let count = 0; count < 10_000; count++) chain = new Error(`cause ${count}`, { cause: chain });
    const members = Array.from({ length: 10_000 }, (_, count) => new Error(`member ${count}`));
    expect(costOf(() => diagnose(failed(chain), config), 20)).toBeLessThan(1_000);
    expect(costOf(() => diagnose(failed(new AggregateError(members)), config), 20)).toBeLessThan(1_000);
  });

  test('under 1 ms for a message and a code of a megabyte', () => {
    const text = 'Failed to execute '.repeat(60_000);
    const error = Object.assign(new Error(text), { code: text });
    expect(costOf(() => diagnose(failed(error), config), 20)).toBeLessThan(1_000);
  });
});

test.each<[string, object, Outcome]>([
  ['a whole answer is judged by its status', { status: 404, data: '' }, 'success'],
  ['an answer without its body is a failure', { status: 404 }, 'failure'],
])('with a code that only its adapter knows %s', (_what, response, outcome) => {
  const error = Object.assign(new Error('mine'), { code: 'E_MINE', response });
  expect(diagnose(failed(error), config)).toMatchObject({ outcome, status: 404 });
});

test.each([
  ['connect', { outcome: 'failure', unsent: true }],
  ['', { outcome: 'failure', unsent: false }],
  ['open', { outcome: 'neutral' }],
])('ENOENT of the system call %j: %j', (syscall, diagnosis) => {
  const error = Object.assign(new Error('no such file or directory'), { code: 'ENOENT', syscall });
  expect(diagnose(failed(error), config)).toMatchObject(diagnosis);
});

describe('answers', () => {
  test.each<[number, Outcome]>([
    [200, 'success'],
    [404, 'success'],
    [408, 'failure'],
    [425, 'neutral'],
    [429, 'failure'],
    [499, 'success'],
    [500, 'failure'],
    [599, 'failure'],
    [600, 'failure'],
    [999, 'failure'],
  ])('%i: %s', (status, outcome) => {
    expect(diagnose(accepted({ status } as never), config)).toMatchObject({ outcome, status });
  });
});
