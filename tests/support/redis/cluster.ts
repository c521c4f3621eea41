import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type RedisServer, startRedis } from './server.js';

const run = promisify(execFile);

/** Three masters that share the 16,384 slots. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  /** The node that holds the slot of this key. */
  nodeOf(key: string): Promise<RedisServer>;
  /** Resolves when every node says `cluster_state:ok`. */
  whole(): Promise<void>;
  stop(): Promise<void>;
}

const ARGS = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000'];

async function isWhole(node: RedisServer): Promise<boolean> {
  return (await node.cli('CLUSTER', 'INFO')).includes('cluster_state:ok');
}

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all([1, 2, 3].map(() => startRedis({ args: ARGS })));

  async function whole(): Promise<void> {
    for (const node of nodes) while (!(await isWhole(node))) await delay(20);
  }

  await run('redis-cli', ['--cluster', 'create', ...nodes.map(({ port }) => `127.0.0.1:${port}`), '--cluster-yes']);
  await whole();
  return {
    nodes,
    whole,
    async nodeOf(key) {
      const slot = Number(await nodes[0]!.cli('CLUSTER', 'KEYSLOT', key));
      for (const node of nodes) {
        const myself = (await node.cli('CLUSTER', 'NODES')).split('\n').find((line) => line.includes('myself'))!;
        const ranges = myself.split(' ').slice(8);
        const holds = ranges.some((range) => {
          const [from, to = from] = range.split('-').map(Number);
          return slot >= from! && slot <= to!;
        });
        if (holds) return node;
      }
      throw new Error(`no node holds slot ${slot}`);
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}
