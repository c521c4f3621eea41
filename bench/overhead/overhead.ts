import { BARE, CLIENTS, type ClientName, OURS, PEERS } from '../clients.js';
import { compiled } from '../measure/compile.js';
import { messageOf, runApart, start } from '../measure/processes.js';
import { type Spread, spreadOf } from '../measure/spread.js';
import { bestPeer, bestPeerText } from '../report/best-peer.js';
import { ratioCells } from '../report/numbers.js';
import type { Section, Table } from '../report/section.js';
import type { Method, OverheadRatios, OverheadTask } from './measuring.js';

/** Each compiles everything anew: what one compilation happens to come to is no property of the code. */
const PROCESSES = { 'no-op adapter': 3, HTTP: 2 };

const LIMITED = 'axios-resilience, adaptiveLimit()';
const PARTS_OF_OURS: readonly ClientName[] = ['axios-resilience, no breaker', 'axios-resilience, neither'];
const METHODS: readonly Method[] = ['GET', 'POST'];

const GOAL = 1.05;
const MOST_OF_A_LIMIT = 0.03;
const ANSWER_BYTES = 1_000;

type Measured = Record<Method, Spread>;

async function measure(script: string, processes: number, task: OverheadTask): Promise<Measured> {
  const all: OverheadRatios[] = [];
  while (all.length < processes) all.push(await runApart(script, task));
  const spread = (method: Method) => spreadOf(all.map((ratios) => ratios[method]));
  return { GET: spread('GET'), POST: spread('POST') };
}

function tableOf(title: string, measured: ReadonlyMap<ClientName, Measured>, digits: number): Table {
  const rows = [...measured].map(([client, { GET, POST }]) => [
    client,
    ...ratioCells(GET, digits),
    ...ratioCells(POST, digits),
    CLIENTS[client].settings,
  ]);
  return { title, head: ['', 'GET', 'processes', 'POST', 'processes', 'settings'], rows };
}

export async function overhead(): Promise<Section> {
  const script = await compiled(new URL('measuring.ts', import.meta.url));
  const service = start(await compiled(new URL('service.ts', import.meta.url)), ANSWER_BYTES);
  const url = await messageOf<string>(service);

  const still = new Map<ClientName, Measured>();
  for (const client of ['empty interceptors', OURS, LIMITED, ...PARTS_OF_OURS, ...PEERS] as const) {
    still.set(client, await measure(script, PROCESSES['no-op adapter'], { client }));
  }
  const networked = new Map<ClientName, Measured>();
  for (const client of [BARE, OURS, ...PEERS] as const) {
    networked.set(client, await measure(script, PROCESSES.HTTP, { client, url }));
  }
  service.kill();

  const ours = still.get(OURS) as Measured;
  const limited = still.get(LIMITED) as Measured;
  const more = limited.GET.median - ours.GET.median;
  const verdicts = METHODS.map((method) => {
    const { median } = ours[method];
    const best = bestPeer(PEERS, (peer) => still.get(peer)?.[method].median);
    return {
      goal: `a ${method} on the no-op adapter costs at most ${GOAL} of bare axios`,
      measured: `${median.toFixed(3)}; ${bestPeerText(best, (ratio) => ratio.toFixed(3))}`,
      isMet: median <= GOAL,
    };
  });
  return {
    title: 'Overhead of a healthy call',
    intro:
      'What a call takes as a share of the same call through bare axios: a GET, and a POST with 1 KB of JSON, each client beside bare axios in processes of its own, in turns. Medians of the rounds, and the least and the greatest median of a process. Time is what the process has on the processor (`process.cpuUsage()`), so that nothing counts while others have it; over HTTP that leaves out the service, and the waiting, which is most of what a caller notices.',
    verdicts: [
      ...verdicts,
      {
        goal: `a GET through adaptiveLimit() costs at most ${100 * MOST_OF_A_LIMIT} points of bare axios more than one without`,
        measured: `${(100 * more).toFixed(1)} points`,
        isMet: more <= MOST_OF_A_LIMIT,
      },
    ],
    tables: [
      tableOf('On an adapter that does nothing, ratio to bare axios', still, 3),
      tableOf('Real HTTP on loopback, ratio to bare axios (bare beside itself shows the noise)', networked, 2),
    ],
  };
}
