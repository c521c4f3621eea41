import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Fleet, startFleet, tally } from '../support/fleet/fleet.js';
import { type RedisCluster, startRedisCluster } from '../support/redis/cluster.js';
import { commandCalls, resetCommandCalls, scriptCalls } from '../support/redis/command-calls.js';
import { startRedis } from '../support/redis/server.js';
import { type Service, startService } from '../support/service.js';

const run = promisify(execFile);

const started: { stop(): Promise<void> }[] = [];
const bring = async <Thing extends { stop(): Promise<void> }>(starting: Promise<Thing>): Promise<Thing> => {
  const thing = await starting;
  started.push(thing);
  return thing;
};
afterEach(async () => {
  for (const thing of started.splice(0).reverse()) await thing.stop();
});

const ping = (port: string | number) => run('redis-cli', ['-p', String(port), 'PING'], { timeout: 100 });

describe('a Redis server', () => {
  test('answers, forgets everything at a restart and keeps its port', async () => {
    const redis = await bring(startRedis());
    expect(await redis.cli('SET', 'a', 1)).toBe('OK');
    await redis.kill();
    await expect(redis.cli('GET', 'a')).rejects.toThrow('Connection refused');
    await redis.restart();
    expect(await redis.cli('GET', 'a')).toBe('');
  });

  test('answers nothing while it is frozen, and then everything', async () => {
    const redis = await bring(startRedis());
    await redis.freeze();
    await expect(ping(redis.port)).rejects.toMatchObject({ killed: true });
    const late = redis.cli('PING');
    await redis.thaw();
    expect(await late).toBe('PONG');
  });

  test('takes arguments', async () => {
    const redis = await bring(startRedis({ args: ['--maxclients', '17'] }));
    expect(await redis.cli('CONFIG', 'GET', 'maxclients')).toBe('maxclients\n17');
  });

  test('counts the commands of others, not those of the tests', async () => {
    const redis = await bring(startRedis());
    await resetCommandCalls(redis);
    expect(await commandCalls(redis)).toEqual({});
    await redis.cli('EVAL', 'return redis.call("GET", KEYS[1])', 1, 'a');
    await redis.cli('PING');
    expect(await commandCalls(redis)).toEqual({ eval: 1, get: 1 });
    expect(await scriptCalls(redis, redis)).toBe(2);
  });

  test('ends with the process that started it, even a killed one', async () => {
    const module = fileURLToPath(new URL('../support/redis/server.ts', import.meta.url));
    const code = `const { startRedis } = await import(${JSON.stringify(module)});
      const redis = await startRedis();
      await redis.freeze();
      console.log(redis.port);
      setInterval(() => undefined, 1e6);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [port] = (await once(createInterface(parent.stdout), 'line')) as [string];
    await expect(ping(port)).rejects.toMatchObject({ killed: true });
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(ping(port)).rejects.toThrow('Connection refused'), 5_000);
  });
});

describe('a Redis cluster', () => {
  test('is whole, knows where a key lives, and is whole again after a node was lost', async () => {
    const cluster: RedisCluster = await bring(startRedisCluster());
    const node = await cluster.nodeOf('{a}:s');
    expect(await node.cli('SET', '{a}:s', 1)).toBe('OK');
    const others = cluster.nodes.filter((other) => other !== node);
    for (const other of others) await expect(other.cli('SET', '{a}:s', 1)).rejects.toThrow('MOVED');
    await node.kill();
    await node.restart();
    await cluster.whole();
    expect(await cluster.nodeOf('{a}:s')).toBe(node);
    expect(await node.cli('GET', '{a}:s')).toBe('');
  });
});

describe('a fleet of processes', () => {
  let service: Service;
  const open = async (processes: number): Promise<Fleet> => {
    service = await startService();
    started.push({ stop: () => service.close() });
    return bring(
      startFleet({
        processes,
        clients: { kind: 'ioredis', url: 'redis://127.0.0.1:1' },
        serviceUrl: service.url,
        breaker: { detector: ['consecutiveFailures', 2], cooldownMs: 60_000, store: false },
      }),
    );
  };

  test('calls the service from every process, and fails for the one it is told to fail for', async () => {
    const fleet = await open(3);
    service.answerTo('worker-2', { status: 503 });
    const outcomes = await fleet.all((worker) => worker.call(5, { concurrency: 1 }));
    expect(outcomes.map(tally)).toEqual([
      { answered: 5, failed: 0, rejected: 0 },
      { answered: 0, failed: 2, rejected: 3 },
      { answered: 5, failed: 0, rejected: 0 },
    ]);
    expect([service.received(), service.received('worker-2')]).toEqual([12, 2]);
    expect(await fleet.all((worker) => worker.state())).toEqual(['closed', 'open', 'closed']);
    const opened = await fleet.workers[1]!.happened('stateChange', { to: 'open' });
    expect(opened).toMatchObject({ from: 'closed', reason: 'threshold', failures: 2 });
    expect(opened.recordedAt).toBeGreaterThan(outcomes[1]![0]!.startedAt);
  });

  test('loses a process that crashes, and takes another one in', async () => {
    const fleet = await open(1);
    const [worker] = fleet.workers;
    service.answer({ hang: true });
    const hanging = worker!.call(1);
    await vi.waitFor(() => expect(service.received()).toBe(1));
    const lost = expect(hanging).rejects.toThrow('the worker has ended');
    await worker!.crash();
    await lost;
    service.answer({});
    const next = await fleet.add();
    expect(tally(await next.call(1))).toEqual({ answered: 1, failed: 0, rejected: 0 });
    expect(service.received('worker-2')).toBe(1);
  });

  test('a frozen process answers once it has thawed', async () => {
    const fleet = await open(1);
    const [worker] = fleet.workers;
    await worker!.freeze();
    const call = worker!.call(1);
    await worker!.thaw();
    expect(tally(await call)).toEqual({ answered: 1, failed: 0, rejected: 0 });
  });
});
