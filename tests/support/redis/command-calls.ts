import type { RedisServer } from './server.js';

/** What clients send for their connections' sake, and what the tests ask themselves. */
const HOUSEKEEPING = /^(?:auth|client|cluster|command|config|hello|info|ping|readonly|select)(?:\||$)/;

/** How often each command ran since the last `resetCommandCalls`, also from inside a script; summed over the servers. */
export async function commandCalls(...servers: readonly RedisServer[]): Promise<Record<string, number>> {
  const calls: Record<string, number> = {};
  for (const server of servers) {
    for (const [, name, count] of (await server.cli('INFO', 'commandstats')).matchAll(
      /^cmdstat_(\S+?):calls=(\d+)/gm,
    )) {
      if (!HOUSEKEEPING.test(name!)) calls[name!] = (calls[name!] ?? 0) + Number(count);
    }
  }
  return calls;
}

/** How many scripts were asked for since the last `resetCommandCalls`; summed over the servers. */
export async function scriptCalls(...servers: readonly RedisServer[]): Promise<number> {
  const { eval: whole = 0, evalsha: byHash = 0 } = await commandCalls(...servers);
  return whole + byHash;
}

export async function resetCommandCalls(...servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.cli('CONFIG', 'RESETSTAT')));
}
