import axios from 'axios';
import { afterEach, expect, test } from 'vitest';
import { attach, memorySink, type ResilienceEvent, type ResilienceEvents } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

const attempt = (key: string, durationMs: number): ResilienceEvents['attempt'] => ({
  type: 'attempt',
  key,
  at: 1,
  attempt: 1,
  outcome: 'success',
  status: 200,
  code: undefined,
  durationMs,
  guarded: true,
});

const rejected = (key: string): ResilienceEvent => ({ type: 'rejected', by: 'circuit', key, at: 1, retryAfterMs: 5 });

test('keeps the events themselves, the oldest first', () => {
  const sink = memorySink();
  const [first, second] = [attempt('a', 1), rejected('b')];
  sink.record(first);
  sink.record(second);
  expect(sink.events).toHaveLength(2);
  expect(sink.events[0]).toBe(first);
  expect(sink.events[1]).toBe(second);
});

test('keeps the latest 1,000 events by default', () => {
  const sink = memorySink();
  for (let i = 0; i < 1_001; i++) sink.record(attempt('a', i));
  expect(sink.events).toHaveLength(1_000);
  expect(sink.events[0]).toMatchObject({ durationMs: 1 });
  expect(sink.events.at(-1)).toMatchObject({ durationMs: 1_000 });
});

test('keeps the latest 2 events with a limit of 2, and sums up all of them', () => {
  const sink = memorySink(2);
  for (const durationMs of [10, 20, 60]) sink.record(attempt('a', durationMs));
  expect(sink.events).toMatchObject([{ durationMs: 20 }, { durationMs: 60 }]);
  expect(sink.summary()).toEqual({ a: { counts: { attempt: 3 }, averageLatencyMs: 30 } });
});

test('sums up by key: how many of each type, and the mean duration of attempts', () => {
  const sink = memorySink();
  for (const event of [attempt('a', 10), attempt('a', 15), rejected('a'), rejected('b'), rejected('b')]) {
    sink.record(event);
  }
  expect(sink.summary()).toEqual({
    a: { counts: { attempt: 2, rejected: 1 }, averageLatencyMs: 12.5 },
    b: { counts: { rejected: 2 }, averageLatencyMs: 0 },
  });
});

test('a summary is a copy: what comes later does not change it', () => {
  const sink = memorySink();
  sink.record(attempt('a', 10));
  const summary = sink.summary();
  sink.record(attempt('a', 30));
  expect(summary).toEqual({ a: { counts: { attempt: 1 }, averageLatencyMs: 10 } });
});

test('is empty at first', () => {
  const sink = memorySink();
  expect([sink.events, sink.summary()]).toEqual([[], {}]);
});

test.each<[unknown, ErrorConstructor]>([
  [0, RangeError],
  [-1, RangeError],
  [1.5, RangeError],
  ['10', TypeError],
])('memorySink(%j) is refused', (limit, kind) => {
  expect(() => memorySink(limit as number)).toThrow(kind);
  expect(() => memorySink(limit as number)).toThrow('`memorySink(limit)` to be an integer >= 1');
});

test('attached, it sees everything that happens to a call', async () => {
  server = await startServer(503, 200);
  const sink = memorySink();
  const api = axios.create({ baseURL: server.url });
  attach(api, { retry: { backoff: () => 1 }, sinks: [sink] });
  await api.get('/');
  const key = `GET ${server.url}`;
  expect(sink.events.map(({ type }) => type)).toEqual(['breakerAdded', 'attempt', 'retry', 'attempt', 'call']);
  expect(sink.events.every((event) => event.key === key)).toBe(true);
  expect(sink.summary()[key]?.counts).toEqual({ breakerAdded: 1, attempt: 2, retry: 1, call: 1 });
  expect(sink.summary()[key]?.averageLatencyMs).toBeGreaterThan(0);
});
