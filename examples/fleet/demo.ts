import { setTimeout as delay } from 'node:timers/promises';
import { paint, print } from '../outage/terminal.js';
import { startMember } from './member.js';
import type { FromProcess } from './messages.js';
import { startRedis } from './redis-server.js';
import { startService } from './service.js';

const NAMES = ['1', '2', '3', '4'];
const CALLS_PER_SECOND = 25;
const COOLDOWN_MS = 1_000;

const startedAt = Date.now();
const seconds = (at: number) => `${((at - startedAt) / 1_000).toFixed(2).padStart(6)} s`;

function tell(name: string, message: FromProcess): void {
  if (message.event === 'circuit') {
    const change = `circuit ${message.from} -> ${message.to}`;
    print(`  ${seconds(message.at)}  process ${name}: ${change} (${message.reason})`);
  } else if (message.event === 'store') {
    print(`  ${seconds(message.at)}  process ${name}: ${paint('bold', `the store is ${message.what}`)}`);
  }
}

const service = await startService();
let redis = await startRedis();
const args = [service.url, String(redis.port), String(COOLDOWN_MS), String(CALLS_PER_SECOND)];
const members = NAMES.map((name) => startMember(name, args, (message) => tell(name, message)));
await Promise.all(members.map(({ ready }) => ready));

/** Runs one phase and tells what came of it in each process. */
async function phase(title: string, forMs: number): Promise<void> {
  print('', paint('bold', title));
  const before = { commands: await redis.commands().catch(() => 0), arrivals: service.arrivals };
  for (const member of members) member.call();
  await delay(forMs);
  const tallies = await Promise.all(members.map((member) => member.count()));
  const commands = await redis.commands().then(
    (count) => `${count - before.commands} commands to Redis`,
    () => 'Redis is away',
  );
  const sum = (what: 'answered' | 'failed' | 'rejected') => tallies.reduce((total, tally) => total + tally[what], 0);
  print(
    ...members.map(({ name }, index) => {
      const { answered, failed, rejected } = tallies[index] ?? { answered: 0, failed: 0, rejected: 0 };
      return `    process ${name}: ${answered} answered, ${failed} failed, ${rejected} rejected`;
    }),
    `    together:  ${sum('answered')} answered, ${sum('failed')} failed, ${sum('rejected')} rejected; ` +
      `${service.arrivals - before.arrivals} requests reached the service; ${commands}`,
  );
}

print(
  `Four processes, one service, one Redis; ${CALLS_PER_SECOND} calls/s each, no retries, cooldown ${COOLDOWN_MS} ms.`,
);
await phase('The service is well.', 1_500);
service.failFor((caller) => caller === '2');
await phase('It answers 503 to process 2 alone: all four stop.', 900);
service.failFor(() => false);
await phase('It is well again: one probe for the whole fleet, then all four go on.', 1_500);
await redis.kill();
await phase('Redis is killed, the service is well: nothing is lost.', 1_500);
service.failFor(() => true);
await phase('The service fails too: each process decides by itself.', 1_500);
service.failFor(() => false);
redis = await startRedis(redis.port);
await phase('Both are back.', 3_000);

await Promise.all(members.map((member) => member.stop()));
service.close();
await redis.kill();
