import { execFileSync } from 'node:child_process';
import { compiled } from '../measure/compile.js';
import { median, quantile } from '../measure/spread.js';
import { integer, milliseconds } from '../report/numbers.js';
import type { Section, Table, Verdict } from '../report/section.js';
import type { Called } from './calling.js';
import { OURS, SHARINGS, type SharingName } from './clients.js';
import { conduct, type Load, type RedisCondition, type Scripts } from './experiment.js';
import { propagationMs } from './propagation.js';

const LATENCY_MS = 10;
const FAILS_ONE_OF = 10;
const LASTS_MS = 700;
const PROCESSES = 2;
const CALLERS_EACH = 5;

const HEALTHY = { latencyMs: LATENCY_MS, failsOneOf: 0 };

const LOADS = {
  alone: { processes: 1, callersEach: 1, lastsMs: LASTS_MS, service: HEALTHY },
  together: { processes: PROCESSES, callersEach: CALLERS_EACH, lastsMs: LASTS_MS, service: HEALTHY },
  failing: {
    processes: PROCESSES,
    callersEach: CALLERS_EACH,
    lastsMs: LASTS_MS,
    service: { latencyMs: LATENCY_MS, failsOneOf: FAILS_ONE_OF },
  },
} satisfies Record<string, Load>;

type Observed = Readonly<Record<keyof typeof LOADS, Called>>;
type BySharing = ReadonlyMap<SharingName, Observed>;

const TITLES: Readonly<Record<RedisCondition, string>> = {
  healthy: 'Redis is healthy',
  slow: 'Each answer of Redis comes 20 ms later',
  frozen: 'Redis is frozen: connections stay, nothing is answered',
};

const MOST_ADDED_MS = 1;
const MOST_COMMANDS = 0.01;
const MOST_OF_BARE = 1.05;
const MOST_PROPAGATION_MS = 10;
const SHARING_PROCESSES = 4;
const OPENINGS = 100;

const perCall = ({ commands, addedMs }: Called): number => commands / addedMs.length;

async function observe(scripts: Scripts, condition: RedisCondition): Promise<BySharing> {
  const observed = new Map<SharingName, Observed>();
  for (const sharing of Object.keys(SHARINGS) as SharingName[]) {
    const under = (load: keyof typeof LOADS) => conduct(scripts, sharing, condition, LOADS[load]);
    observed.set(sharing, {
      alone: await under('alone'),
      together: await under('together'),
      failing: await under('failing'),
    });
  }
  return observed;
}

const tableOf = (condition: RedisCondition, observed: BySharing): Table => ({
  title: TITLES[condition],
  head: [
    '',
    'commands per call',
    'commands per call, one of ten fails',
    'one caller waits longer, median',
    'ten callers wait longer, median',
    'ten callers wait longer, p99',
    'calls that the sharing made fail',
    'settings',
  ],
  rows: [...observed].map(([sharing, { alone, together, failing }]) => [
    sharing,
    perCall(together).toFixed(3),
    perCall(failing).toFixed(3),
    milliseconds(median(alone.addedMs)),
    milliseconds(median(together.addedMs)),
    milliseconds(quantile(together.addedMs, 0.99)),
    `${integer(together.failed + failing.failed)} of ${integer(together.addedMs.length + failing.addedMs.length)}`,
    SHARINGS[sharing].settings,
  ]),
});

function verdictOf(where: string, observed: BySharing): Verdict {
  const { together, failing } = observed.get(OURS) as Observed;
  const addedMs = median(together.addedMs);
  const failed = together.failed + failing.failed;
  const calls = together.addedMs.length + failing.addedMs.length;
  return {
    goal: `${where}: a call waits at most ${MOST_ADDED_MS} ms longer, and none fails`,
    measured: `${milliseconds(addedMs)} at the median, ${integer(failed)} of ${integer(calls)} failed`,
    isMet: addedMs <= MOST_ADDED_MS && failed === 0,
  };
}

function commandsVerdict({ together, failing }: Observed): Verdict {
  const commands = perCall(together);
  return {
    goal: 'a call that succeeds costs no command, but for a read every five seconds',
    measured: `${commands.toFixed(4)} per call; with failures, of which each process reports those of 25 ms together, ${perCall(failing).toFixed(3)}`,
    isMet: commands < MOST_COMMANDS,
  };
}

/** A call makes its way past a frozen Redis in the time that it takes without a store. */
function frozenVerdict({ alone }: Observed): Verdict {
  const ratio = 1 + median(alone.addedMs) / median(alone.bareMs);
  return {
    goal: `with Redis frozen the median of healthy calls is at most ${MOST_OF_BARE} of that without a circuit`,
    measured: ratio.toFixed(3),
    isMet: ratio <= MOST_OF_BARE,
  };
}

function propagationVerdict(waits: readonly number[]): Verdict {
  const medianMs = median(waits);
  return {
    goal: `from the failure that opens the circuit in one process until ${SHARING_PROCESSES - 1} others reject: less than ${MOST_PROPAGATION_MS} ms at the median`,
    measured: `${milliseconds(medianMs)}, p99 ${milliseconds(quantile(waits, 0.99))}, over ${OPENINGS} openings`,
    isMet: medianMs < MOST_PROPAGATION_MS,
  };
}

/** As redis-server names it: `7.0.15`. */
const redisVersion = (): string =>
  /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? '';

export async function fleet(): Promise<Section> {
  const scripts = {
    calling: await compiled(new URL('calling.ts', import.meta.url)),
    service: await compiled(new URL('service.ts', import.meta.url)),
  };
  const healthy = await observe(scripts, 'healthy');
  const slow = await observe(scripts, 'slow');
  const frozen = await observe(scripts, 'frozen');
  const sharing = await compiled(new URL('sharing.ts', import.meta.url));
  const propagation = await propagationMs(sharing, SHARING_PROCESSES, OPENINGS);
  return {
    title: 'A fleet',
    intro: `A circuit shared over a real Redis (${redisVersion()}), for calls to a service that answers after ${LATENCY_MS} ms: by one caller, and by ${PROCESSES * CALLERS_EACH} in ${PROCESSES} processes, each making one call after the other for ${LASTS_MS / 1_000} s; and the latter once more while one of ${FAILS_ONE_OF} requests fails, which opens no circuit. Before each call its caller makes one with bare axios: how much longer the call takes than that is what the circuit adds. Less than half a millisecond, of either sign, is noise. Commands are counted in the client. The other two are small re-creations of how those libraries, of other languages, go about it; they are not the libraries.`,
    verdicts: [
      commandsVerdict(healthy.get(OURS) as Observed),
      verdictOf(TITLES.healthy, healthy),
      verdictOf(TITLES.slow, slow),
      verdictOf(TITLES.frozen, frozen),
      frozenVerdict(frozen.get(OURS) as Observed),
      propagationVerdict(propagation),
    ],
    tables: [tableOf('healthy', healthy), tableOf('slow', slow), tableOf('frozen', frozen)],
  };
}
