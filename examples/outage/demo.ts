import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type CircuitState, consecutiveFailures, exponential, type ResilienceEvents } from 'axios-resilience';
import { plainCaller, resilientCaller } from './callers.js';
import { serveMetrics } from './metrics.js';
import { type Phase, startService } from './service.js';
import { tableOf } from './table.js';
import { paint, print } from './terminal.js';
import { type Change, openTimeline } from './timeline.js';
import { inItsColour } from './words.js';

const { values } = parseArgs({ options: { fast: { type: 'boolean', default: false }, metrics: { type: 'string' } } });
const pace = values.fast ? 0.3 : 1;

const CALLS_PER_SECOND = 25;
const LATENCY_MS = 20 * pace;
const TIMEOUT_MS = 750 * pace;

/** The circuit as it is by default, at the pace of the demo. */
const CIRCUIT = {
  detector: consecutiveFailures(5, { perCall: true, minSpanMs: 600 * pace, maxAgeMs: 60_000 }),
  cooldownMs: exponential({ baseMs: 500 * pace, factor: 1.15, maxMs: 1_200 * pace, jitter: 0.2 }),
};

const OUTAGE: readonly { readonly phase: Phase; readonly lastsMs: number; readonly meaning: string }[] = [
  { phase: 'healthy', lastsMs: 1_500 * pace, meaning: `answers 200 after ${LATENCY_MS} ms` },
  { phase: 'failing', lastsMs: 2_500 * pace, meaning: 'answers 503' },
  { phase: 'hanging', lastsMs: 2_500 * pace, meaning: 'takes requests and never answers' },
  { phase: 'down', lastsMs: 2_000 * pace, meaning: 'refuses connections' },
  { phase: 'healthy', lastsMs: 2_500 * pace, meaning: 'answers 200 again' },
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

const service = await startService(LATENCY_MS, now);
const metrics = values.metrics === undefined ? undefined : await serveMetrics(Number(values.metrics));
const options = { baseURL: service.url, timeout: TIMEOUT_MS, now };
const plain = plainCaller('plain axios', options);
const resilient = resilientCaller('with attach()', CIRCUIT, options, metrics ? [metrics.sink] : []);

const phases: Change<Phase>[] = [];
const circuit: Change<CircuitState>[] = [];
const timeline = openTimeline({
  durationMs: OUTAGE.reduce((sum, { lastsMs }) => sum + lastsMs, 0),
  timeoutMs: TIMEOUT_MS,
  callsPerSecond: CALLS_PER_SECOND,
  now,
  arrivals: service.arrivals,
  plain,
  resilient,
  service: phases,
  circuit,
});

print(
  '',
  `  Two callers, one service, ${CALLS_PER_SECOND} calls/s each, timeout ${TIMEOUT_MS} ms. The only difference:`,
  '',
  ...['attach(api, {', '  fallback: () => lastPrices,', "  fallbackOn: 'failure',", '});'].map(
    (code) => `      ${paint('bold', code)}`,
  ),
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
  await service.enter(phase);
  phases.push({ at: now(), state: phase });
  timeline.announce('service', `${before ? `${inItsColour(before)} -> ` : ''}${inItsColour(phase)}: ${meaning}`);
  await delay(lastsMs);
}

clearInterval(calling);
await Promise.all(calls);
clearInterval(updating);
timeline.update();
await service.close();

print('', ...tableOf([plain, resilient], service.arrivals), '');
