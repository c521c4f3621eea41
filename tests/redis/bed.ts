import { afterEach, expect, vi } from 'vitest';
import { type Fleet, type FleetOptions, type FleetWorker, startFleet } from '../support/fleet/fleet.js';
import type { ClientSpec } from '../support/fleet/protocol.js';
import { type Service, startService } from '../support/service.js';

const running: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

/** Waits for it to start, and stops it after the test. */
export async function bring<Thing extends { stop(): Promise<void> }>(starting: Promise<Thing>): Promise<Thing> {
  const thing = await starting;
  running.push(() => thing.stop());
  return thing;
}

/** Both packages, to be used in turn by the processes of a fleet. */
export const bothClients = (url: string): ClientSpec[] => [
  { kind: 'ioredis', url },
  { kind: 'node-redis', url },
];

/** A service and a fleet that calls it; three failures of the minute open the circuit, without a question. */
export async function openFleet(
  options: Omit<FleetOptions, 'serviceUrl'>,
): Promise<{ service: Service; fleet: Fleet }> {
  const service = await startService();
  running.push(() => service.close());
  const breaker = { detector: ['failuresInWindow', { failures: 3 }], cooldownMs: 60_000, ...options.breaker } as const;
  return { service, fleet: await bring(startFleet({ ...options, breaker, serviceUrl: service.url })) };
}

/** Every process has called once and knows what the store knows. */
export async function warmUp(fleet: Fleet, service: Service): Promise<void> {
  await fleet.all((worker) => worker.call(1));
  await eventually(async () => {
    const stats = await fleet.all((worker) => worker.stats());
    expect(stats.map((each) => each?.shared?.live)).toEqual(stats.map(() => true));
  });
  await fleet.all((worker) => worker.forgetEvents());
  service.forget();
}

export const eventually = (check: () => unknown): Promise<unknown> =>
  vi.waitFor(check, { timeout: 20_000, interval: 10 });

export const statesOf = (fleet: Fleet) => fleet.all((worker) => worker.state());

export const everywhere = <Value>(fleet: Fleet, value: Value): Value[] => fleet.workers.map(() => value);

/** Waits until the circuit of every process is in this state. */
export const reaches = (fleet: Fleet, state: 'open' | 'closed' | 'half-open') =>
  eventually(async () => expect(await statesOf(fleet)).toEqual(everywhere(fleet, state)));

export async function countOf(worker: FleetWorker, type: string): Promise<number> {
  return (await worker.events()).filter((event) => event.type === type).length;
}

/** A promise and what settles it. */
export function gate(): { readonly closed: Promise<void>; open(): void } {
  let open!: () => void;
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open };
}

/** Keeps the circuit of this process in use until it rejects. */
export const callsUntilRejected = (worker: FleetWorker) =>
  eventually(async () => expect((await worker.call(1))[0]!.result).toBe('rejected'));
