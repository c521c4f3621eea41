import { compiled } from '../measure/compile.js';
import { runApart } from '../measure/processes.js';
import { type Spread, spreadOf } from '../measure/spread.js';
import { bestPeer, bestPeerText } from '../report/best-peer.js';
import { ratioCells } from '../report/numbers.js';
import type { Section, Table, Verdict } from '../report/section.js';
import type { BreakerTask } from './measuring.js';
import { type BreakerGroup, SUBJECTS } from './subjects.js';

/** More for what is compared with peers. */
const PROCESSES = { compared: 3, own: 1 };
/** What the medians of several runs differ by. */
const LEVEL = 1.05;

type Measured = ReadonlyMap<string, Spread>;

async function measure(script: string, group: BreakerGroup, processes: number): Promise<Measured> {
  const measured = new Map<string, Spread>();
  for (const subject of Object.keys(SUBJECTS[group])) {
    const task: BreakerTask = { group, subject };
    const all: number[][] = [];
    while (all.length < processes) all.push(await runApart(script, task));
    measured.set(subject, spreadOf(all));
  }
  return measured;
}

const tableOf = (title: string, measured: Measured): Table => ({
  title,
  head: ['', 'ratio', 'processes'],
  rows: [...measured].map(([name, spread]) => [name, ...ratioCells(spread)]),
});

function verdictOf(goal: string, measured: Measured, ours: string, peers: readonly string[], most = 1): Verdict {
  const medianOf = (name: string) => measured.get(name)?.median ?? Number.NaN;
  const best = bestPeer(peers, medianOf);
  return {
    goal,
    measured: `${medianOf(ours).toFixed(2)}; ${bestPeerText(best, (ratio) => ratio.toFixed(2))}`,
    isMet: medianOf(ours) < most * best.value,
  };
}

export async function breaker(): Promise<Section> {
  const script = await compiled(new URL('measuring.ts', import.meta.url));
  const execute = await measure(script, 'execute', PROCESSES.compared);
  const window = await measure(script, 'window', PROCESSES.compared);
  const rejection = await measure(script, 'rejection', PROCESSES.compared);
  const detectors = await measure(script, 'detectors', PROCESSES.own);
  const registry = await measure(script, 'registry', PROCESSES.own);
  return {
    title: 'Circuit breaker',
    intro:
      'One function after the other through a circuit, as a share of the same without, in time of the processor; each in processes of its own; medians of the rounds, and the least and the greatest median of a process. Peers as their READMEs advise: cockatiel `circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) })`; opossum `{ timeout: 3000, errorThresholdPercentage: 50, resetTimeout: 30000 }`, whose timeout arms a timer per call, and so also without.',
    verdicts: [
      verdictOf('`execute` costs less than the executors of the peers', execute, 'axios-resilience `execute`', [
        'cockatiel',
        'opossum, `timeout: 3000`',
        'opossum, `timeout: false`',
      ]),
      verdictOf(
        'a time window with 50,000 outcomes costs no more than those of the peers, within 5 %',
        window,
        'axios-resilience `failureRateInWindow`',
        ['cockatiel `SamplingBreaker`', 'opossum (window of 10 s)', 'opossum, `rollingPercentilesEnabled: false`'],
        LEVEL,
      ),
      verdictOf(
        'a window of the last 50,000 outcomes costs no more than that of the peer, within 5 %',
        window,
        'axios-resilience `failureRate`',
        ['cockatiel `CountBreaker`'],
        LEVEL,
      ),
      verdictOf('an open circuit rejects for less than those of the peers', rejection, 'axios-resilience `execute`', [
        'cockatiel',
        'opossum',
      ]),
    ],
    tables: [
      tableOf('A closed circuit, ratio to a bare `await fn()`', execute),
      tableOf('A window with 50,000 outcomes, every tenth call fails, ratio to the same without a circuit', window),
      tableOf('An open circuit, ratio to awaiting a function that throws a new error', rejection),
      tableOf('`acquire` and `settle` with each detector of ours, ratio to a bare `await fn()`', detectors),
      tableOf('A call through a registry of ours with many keys, ratio to one with fewer', registry),
    ],
  };
}
