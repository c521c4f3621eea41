import { during, overload, type Row } from './rows.js';

/** What a limiter is for, and what it must not harm. */
export const OVERLOAD_ROWS: readonly Row[] = [
  {
    ...during('endpoints of 20 ms and of 2 s under one key', 20_000, { workers: 4, slowness: 0.2, badPathMs: 2_000 }),
    badShare: 0.1,
    timeoutMs: 5_000,
  },
  { ...during('3 of 10 workers left for 10 s, a service that sheds', 10_000, { workers: 0.3, sheds: true }) },
  {
    name: '4 x the calls for 10 s, capacity grows again after 5 s',
    endMs: 10_000,
    loadFactor: 4,
    steps: [
      { atMs: 0, condition: {} },
      { atMs: 5_000, condition: { workers: 4 } },
    ],
  },
  { ...overload(4, 5_000, { failing: 0.3 }), name: '4 x the calls for 5 s, 30 % of the requests fail' },
  { ...during('5 x slower for 10 s, room for all', 10_000, { slowness: 5, workers: 10 }) },
  { ...during('1 call/s, 5 x slower for 10 s', 10_000, { slowness: 5 }), callsPerSecond: 1, repetitions: 20 },
  { ...during('the callers are blocked for 2 s', 20_000, {}), blockedMs: 2_000 },
  { ...during('healthy: a cold start with 300 parallel calls', 20_000, { workers: 40 }), isCold: true, burst: 300 },
  { ...during('healthy: from 10 to 500 calls/s in 20 s', 20_000, { workers: 10 }), callsPerSecond: 10, rampTo: 500 },
  during('healthy: heavy tails (log-normal, sigma 1)', 20_000, { workers: 2, spread: 1 }),
  {
    ...during('healthy: one call in 50 takes 5 s', 20_000, { workers: 4, badPathMs: 5_000 }),
    badShare: 0.02,
    timeoutMs: 10_000,
  },
];
