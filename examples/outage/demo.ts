import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  type CircuitState,
  consecutiveFailures,
  exponential,
  fullJitter,
  type ResilienceEvents,
  type ResilienceOptions,
} from 'axios-resilience';
import { plainCaller, resilientCaller } from './callers.js';
import { serveMetrics } from './metrics.js';
import { type Arrival, type Phase, startService } from './service.js';
import { tableOf } from './table.js';
import { paint, print } from './terminal.js';
import { type Change, openTimeline } from './timeline.js';
import { inItsColour } from './words.js';

const { values } = parseArgs({ options: { fast: { type: 'boolean', default: false }, metrics: { type: 'string' } } });
const pace = values.fast ? 0.5 : 1;

const CALLS_PER_SECOND = 25;
const WORKERS = 2;
const WORK_MS = 40;
const TIMEOUT_MS = 750 * pace;

/** The defaults, at the pace of a demo that is in a hurry. */
const HURRIED: ResilienceOptions = {
  retry: { backoff: fullJitter(exponential({ baseMs: 100 * pace, factor: 2, maxMs: 30_000 * pace })) },
  breaker: {
    detector: consecutiveFailures(5, { perCall: true, minSpanMs: 600 * pace, maxAgeMs: 60_000 * pace }),
    cooldownMs: exponential({ baseMs: 500 * pace, factor: 1.15, maxMs: 1_200 * pace, jitter: 0.2 }),
    maxWaitMs: 1_000 * pace,
  },
};

const OUTAGE: readonly { readonly phase: Phase; readonly lastsMs: number; readonly meaning: string }[] = [
  { phase: 'healthy', lastsMs: 1_500 * pace, meaning: `answers 200 after ${WORK_MS} ms` },
  { phase: 'failing', lastsMs: 300 * pace, meaning: 'answers 503 for a moment' },
  { phase: 'healthy', lastsMs: 1_500 * pace, meaning: 'answers 200' },
  { phase: 'failing', lastsMs: 2_000 * pace, meaning: 'answers 503' },
  { phase: 'down', lastsMs: 1_500 * pace, meaning: 'refuses connections' },
  { phase: 'hanging', lastsMs: 3_000 * pace, meaning: 'takes requests, and lets them wait' },
  { phase: 'healthy', lastsMs: 5_000 * pace, meaning: 'works on what it was sent meanwhile' },
];

const REASONS: Partial<
  Record<ResilienceEvents['stateChange']['reason'], (change: ResilienceEvents['stateChange']) => string>
> = {
  threshold: ({ failures }: ResilienceEvents['stateChange']) => `${failures} failures in a row`,
  'cooldown-elapsed': () => 'the cooldown is over, one call may probe',
  'probe-failed': () => 'the probe failed',
  'probe-succeeded': () => 'the probe was answered',
  manual: () => 'by hand',
};

const startedAt = performance.now();
const now = (): number => performance.now() - startedAt;

const arrivals: Arrival[] = [];
const start = () =>
  startService({ workers: WORKERS, workMs: WORK_MS, now, onArrival: (arrival) => arrivals.push(arrival) });
const services = await Promise.all([start(), start()]);
const metrics = values.metrics === undefined ? undefined : await serveMetrics(Number(values.metrics));
const options = { timeout: TIMEOUT_MS, now };
const plain = plainCaller('plain axios', { ...options, baseURL: services[0].url });
const resilient = resilientCaller(
  'with attach()',
  { ...(values.fast ? HURRIED : {}), sinks: metrics ? [metrics.sink] : [] },
  { ...options, baseURL: services[1].url },
);

const phases: Change<Phase>[] = [];
const circuit: Change<CircuitState>[] = [];
const timeline = openTimeline({
  durationMs: OUTAGE.reduce((sum, { lastsMs }) => sum + lastsMs, 0),
  timeoutMs: TIMEOUT_MS,
  callsPerSecond: CALLS_PER_SECOND,
  now,
  arrivals,
  plain,
  resilient,
  service: phases,
  circuit,
});

print(
  '',
  `  Two callers, each of a service that falls ill, ${CALLS_PER_SECOND} calls/s each, timeout ${TIMEOUT_MS} ms. The only difference:`,
  '',
  `      ${paint('bold', 'attach(api);')}`,
  '',
);

if (metrics) print(`  Prometheus can scrape ${metrics.url}, until you press Ctrl+C.`, '');

resilient.resilience.on('stateChange', (event) => {
  circuit.push({ at: now(), state: event.to });
  const change = `${inItsColour(event.from)} -> ${inItsColour(event.to)}`;
  timeline.announce('circuit', `${change}: ${REASONS[event.reason]?.(event) ?? event.reason}`);
});

const calls: Promise<void>[] = [];
let due = 0;
const calling = setInterval(() => {
  for (; due * (1_000 / CALLS_PER_SECOND) <= now(); due++) calls.push(plain.call(), resilient.call());
}, 5);
const updating = setInterval(() => timeline.update(), timeline.everyMs);

for (const { phase, lastsMs, meaning } of OUTAGE) {
  const before = phases.at(-1)?.state;
  await Promise.all(services.map((service) => service.enter(phase)));
  phases.push({ at: now(), state: phase });
  timeline.announce('service', `${before ? `${inItsColour(before)} -> ` : ''}${inItsColour(phase)}: ${meaning}`);
  await delay(lastsMs);
}

clearInterval(calling);
await Promise.all(calls);
clearInterval(updating);
timeline.update();
await Promise.all(services.map((service) => service.close()));

print('', ...tableOf([plain, resilient], arrivals, phases.at(-1)?.at ?? 0), '');
