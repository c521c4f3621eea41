import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Outcome } from '../../../src/index.js';
import { ScriptedCircuit, settled, type Visitor } from './support.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** So many come, each of whom may wait for so long. */
function comers(circuit: ScriptedCircuit, count: number, maxWaitMs = 1_000): Visitor[] {
  return Array.from({ length: count }, () => circuit.come(maxWaitMs) as Visitor);
}

async function end(visitor: Visitor | undefined, outcome: Outcome): Promise<void> {
  visitor?.permit?.settle(outcome);
  await settled();
}

describe('who is let in', () => {
  test('waits where the cooldown ends in the very moment until which it may wait, and not one millisecond later', () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    expect(circuit.come(399)).toBeUndefined();
    expect(circuit.come(400)).toBeDefined();
    expect(circuit.gate.size).toBe(1);
  });

  test('does not wait for what a hand opened', () => {
    const circuit = new ScriptedCircuit();
    circuit.trip();
    expect(circuit.come(10_000)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('rejects the newest where as many wait as may', () => {
    const circuit = new ScriptedCircuit({ maxQueue: 3 });
    circuit.open(400);
    comers(circuit, 3);
    expect(circuit.come(1_000)).toBeUndefined();
    expect(circuit.gate.size).toBe(3);
  });

  test('waits for a probe of another until it is as old as is worth waiting for', async () => {
    const circuit = new ScriptedCircuit({ patienceMs: 200 });
    circuit.open(400);
    await pass(400);
    circuit.probe();
    await pass(150);
    const visitor = circuit.come(1_000);
    await pass(49);
    expect(circuit.gate.size).toBe(1);
    await pass(1);
    expect(visitor?.rejection).toBeDefined();
    expect(circuit.come(1_000)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the end of a cooldown', () => {
  test('makes the first of those who wait the probe, and nobody else', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const [first, ...others] = comers(circuit, 3);
    await pass(399);
    expect(circuit.given).toEqual([]);
    await pass(1);
    expect(first?.permit).toBeDefined();
    expect(others.map(({ permit, rejection }) => permit ?? rejection)).toEqual([undefined, undefined]);
  });

  test('makes as many of them probes as there are seats', async () => {
    const circuit = new ScriptedCircuit({ probes: 4 });
    circuit.open(400);
    comers(circuit, 6);
    await pass(400);
    expect(circuit.given).toEqual([0, 1, 2, 3]);
  });

  test.each([1, 4])('asks for as many permits as there are seats, %i, and not for each that waits', async (probes) => {
    const circuit = new ScriptedCircuit({ probes });
    circuit.open(400);
    comers(circuit, 100);
    await pass(400);
    expect(circuit.asked.admit).toBe(probes);
  });

  test.each([400, 3_000_000_000])('is slept for, also for %i ms: nothing is looked at before', async (cooldownMs) => {
    const circuit = new ScriptedCircuit();
    circuit.open(cooldownMs);
    comers(circuit, 3, cooldownMs);
    const { outlook } = circuit.asked;
    await pass(399);
    expect(circuit.asked.outlook).toBe(outlook);
    expect(vi.getTimerCount()).toBe(1);
  });

  test('makes the next one the probe when a probe says nothing', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const [first] = comers(circuit, 3);
    await pass(400);
    await end(first, 'neutral');
    expect(circuit.given).toEqual([0, 1]);
  });

  test('keeps those for whom the next cooldown fits when a probe fails, and rejects the others at once', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const [first] = comers(circuit, 1);
    const short = circuit.come(899);
    const long = circuit.come(900);
    await pass(400);
    circuit.cooldownMs = 500;
    await end(first, 'failure');
    expect(short?.rejection).toBeDefined();
    expect(long?.rejection).toBeUndefined();
    await pass(500);
    expect(long?.permit).toBeDefined();
    expect(circuit.rejections).toBe(1);
  });

  test('rejects those for whom the next cooldown does not fit, also where it ends when the patience with the probe would', async () => {
    const circuit = new ScriptedCircuit({ patienceMs: 500 });
    circuit.open(400);
    const [first] = comers(circuit, 1);
    const waiting = circuit.come(800);
    await pass(400);
    circuit.come(800);
    circuit.cooldownMs = 500;
    await end(first, 'failure');
    expect(waiting?.rejection).toBeDefined();
  });

  test('rejects whoever may not wait as long as the probe takes, each at its own time', async () => {
    const circuit = new ScriptedCircuit({ patienceMs: 1_000 });
    circuit.open(400);
    comers(circuit, 1);
    const [patient] = comers(circuit, 1, 800);
    const [hasty] = comers(circuit, 1, 600);
    await pass(599);
    expect(circuit.rejections).toBe(0);
    await pass(1);
    expect(hasty?.rejection).toBeDefined();
    expect(patient?.rejection).toBeUndefined();
    await pass(200);
    expect(patient?.rejection).toBeDefined();
  });
});

describe('coming back', () => {
  /** So many wait, and the circuit closes. */
  async function closedWith(count: number, plan = {}, maxWaitMs = 1_000): Promise<ScriptedCircuit> {
    const circuit = new ScriptedCircuit(plan);
    circuit.open(400);
    comers(circuit, count, maxWaitMs);
    circuit.close();
    await settled();
    return circuit;
  }

  test('begins with one, and lets one more go at a time after as many successes as that, up to 4', async () => {
    const circuit = await closedWith(60);
    const atATime: number[] = [];
    for (let ended = 0; ended < 20; ended++) {
      atATime.push(circuit.given.length - ended);
      await end(circuit.visitors[ended], 'success');
    }
    expect(atATime).toEqual([1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
  });

  test('halves after a failure, and a neutral end changes nothing but frees its place', async () => {
    const circuit = await closedWith(60);
    for (let ended = 0; ended < 6; ended++) await end(circuit.visitors[ended], 'success');
    expect(circuit.given.length - 6).toBe(4);
    await end(circuit.visitors[6], 'failure');
    await end(circuit.visitors[7], 'failure');
    await end(circuit.visitors[8], 'failure');
    expect(circuit.given.length - 9).toBe(1);
    await end(circuit.visitors[9], 'neutral');
    expect(circuit.given.length - 10).toBe(1);
  });

  test('halves 4 to 2, and goes on from there', async () => {
    const circuit = await closedWith(60);
    for (let ended = 0; ended < 6; ended++) await end(circuit.visitors[ended], 'success');
    await end(circuit.visitors[6], 'failure');
    await end(circuit.visitors[7], 'neutral');
    await end(circuit.visitors[8], 'neutral');
    expect(circuit.given.length - 9).toBe(2);
    await end(circuit.visitors[9], 'success');
    await end(circuit.visitors[10], 'success');
    expect(circuit.given.length - 11).toBe(3);
  });

  test('rejects nobody whose time runs out while the circuit is closed', async () => {
    const circuit = await closedWith(3);
    await pass(900);
    expect(circuit.rejections).toBe(0);
    await end(circuit.visitors[0], 'success');
    await pass(900);
    await end(circuit.visitors[1], 'success');
    expect(circuit.given).toEqual([0, 1, 2]);
    expect(circuit.rejections).toBe(0);
  });

  test('is held up by one that does not end for no longer than a second', async () => {
    const circuit = await closedWith(3);
    await pass(999);
    expect(circuit.given).toEqual([0]);
    await pass(1);
    expect(circuit.given).toEqual([0, 1]);
    await end(circuit.visitors[0], 'success');
    expect(circuit.given).toEqual([0, 1, 2]);
    expect(vi.getTimerCount()).toBe(0);
  });

  /** Answers each that is let through after so long, for so long in all, and tells when each was let through. */
  async function answeredAfter(circuit: ScriptedCircuit, tookMs: number, forMs: number): Promise<number[]> {
    const begunAt = performance.now();
    let ended = 0;
    const isDue = () => performance.now() >= (circuit.visitors[ended]?.givenAt ?? 0) + tookMs;
    for (; performance.now() <= begunAt + forMs; await pass(50)) {
      while (isDue()) await end(circuit.visitors[ended++], 'success');
    }
    return circuit.visitors.filter(({ permit }) => permit).map(({ givenAt }) => givenAt - begunAt);
  }

  describe('where answers take longer than any before the circuit opened', () => {
    test('goes one by one, with pauses of once, twice and four times that', async () => {
      const circuit = await closedWith(60, { usualMs: 199 }, 30_000);
      expect(await answeredAfter(circuit, 200, 4_900)).toEqual([0, 400, 1_000, 2_000, 3_800]);
    });

    test('pauses for no longer than eight times that', async () => {
      const circuit = await closedWith(60, { usualMs: 99 }, 30_000);
      expect(await answeredAfter(circuit, 100, 4_000)).toEqual([0, 200, 500, 1_000, 1_900, 2_800, 3_700]);
    });

    test('goes on as usual after five seconds, since the service may stay as slow', async () => {
      const circuit = await closedWith(60, { usualMs: 199 }, 30_000);
      expect(await answeredAfter(circuit, 200, 5_600)).toEqual([
        0, 400, 1_000, 2_000, 3_800, 5_000, 5_200, 5_200, 5_400, 5_400, 5_400, 5_600, 5_600, 5_600, 5_600,
      ]);
    });

    test('pauses for no longer than the first in the queue is willing to wait, and goes on one by one', async () => {
      const circuit = await closedWith(60, { usualMs: 199 }, 1_500);
      expect(await answeredAfter(circuit, 200, 2_300)).toEqual([0, 400, 1_000, 1_500, 1_700, 1_900, 2_100, 2_300]);
    });

    test('pauses for no longer than the next is willing to wait, where the first leaves', async () => {
      const circuit = new ScriptedCircuit({ usualMs: 199 });
      circuit.open(400);
      comers(circuit, 2, 30_000);
      comers(circuit, 1, 500);
      circuit.close();
      await pass(400);
      await end(circuit.visitors[0], 'success');
      circuit.visitors[1]?.waiting.leave();
      await pass(99);
      expect(circuit.given).toEqual([0]);
      await pass(1);
      expect(circuit.given).toEqual([0, 2]);
    });

    test('begins with the shortest pause again after an answer that did not', async () => {
      const circuit = await closedWith(60, { usualMs: 199 }, 30_000);
      expect(await answeredAfter(circuit, 200, 900)).toEqual([0, 400]);
      await pass(50);
      expect(circuit.given.length).toBe(3);
      await end(circuit.visitors[2], 'success');
      expect(circuit.given.length).toBe(5);
      await pass(200);
      await end(circuit.visitors[3], 'success');
      await pass(199);
      expect(circuit.given.length).toBe(5);
      await end(circuit.visitors[4], 'neutral');
      await pass(1);
      expect(circuit.given.length).toBe(6);
    });

    test('is not held up by failures, which may be quick', async () => {
      const circuit = await closedWith(60, { usualMs: 199 }, 30_000);
      await pass(500);
      await end(circuit.visitors[0], 'failure');
      expect(circuit.given.length).toBe(2);
    });
  });

  test('lets more go at a time where answers take as long as the slowest before', async () => {
    const circuit = await closedWith(60, { usualMs: 200 });
    expect(await answeredAfter(circuit, 200, 400)).toEqual([0, 200, 200, 400, 400, 400]);
  });

  test.each([
    ['as it was before, where it opened again within a minute', 60_000, 1],
    ['as it is now, after more than a minute', 60_001, 3],
  ])('goes by what is usual %s', async (_, afterMs, given) => {
    const circuit = new ScriptedCircuit({ usualMs: 100 });
    circuit.open(400);
    circuit.come(1_000)?.waiting.leave();
    circuit.close();
    await pass(afterMs);
    circuit.usualMs = 500;
    circuit.open(400);
    const [first] = comers(circuit, 5);
    circuit.close();
    await pass(200);
    await end(first, 'success');
    expect(circuit.given.length).toBe(given);
  });

  test('begins anew with one when the circuit has opened under it, and counts those that are still under way', async () => {
    const circuit = await closedWith(60);
    for (let ended = 0; ended < 6; ended++) await end(circuit.visitors[ended], 'success');
    circuit.open(100);
    await end(circuit.visitors[6], 'success');
    expect(circuit.given.length).toBe(10);
    circuit.close();
    await settled();
    expect(circuit.given.length).toBe(10);
    for (const ended of [7, 8]) await end(circuit.visitors[ended], 'neutral');
    expect(circuit.given.length).toBe(10);
    await end(circuit.visitors[9], 'neutral');
    expect(circuit.given.length).toBe(11);
  });

  test('lets nobody go when the failure of one opens the circuit', async () => {
    const circuit = await closedWith(3);
    circuit.tripsOnFailure = true;
    await end(circuit.visitors[0], 'failure');
    expect(circuit.given).toEqual([0]);
    expect(circuit.gate.size).toBe(2);
  });

  test('begins later where it is told to, and judges anew what happens until then', async () => {
    const circuit = await closedWith(3, { startsInMs: 40 });
    expect(circuit.given).toEqual([]);
    await pass(39);
    circuit.open(100);
    await pass(1);
    expect(circuit.given).toEqual([]);
    circuit.close();
    await pass(40);
    expect(circuit.given).toEqual([0]);
  });

  test('is what observing the circuit means for those who wait', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    comers(circuit, 3);
    circuit.close();
    circuit.observe();
    await settled();
    expect(circuit.given).toEqual([0]);
  });
});

describe('a change of the circuit', () => {
  test('by hand rejects everybody at once', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const visitors = comers(circuit, 3);
    circuit.trip();
    await settled();
    expect(visitors.map(({ rejection }) => rejection !== undefined)).toEqual([true, true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('to a longer cooldown rejects those who may not wait for it, and a shorter one is over sooner', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const [short] = comers(circuit, 1, 700);
    const [long] = comers(circuit, 1, 1_000);
    circuit.open(800);
    await settled();
    expect(short?.rejection).toBeDefined();
    circuit.open(100);
    await pass(100);
    expect(long?.permit).toBeDefined();
  });
});

describe('a place in the queue', () => {
  test('is given up at once, and leaves no timer when it was the last', () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    const [first, second] = comers(circuit, 2) as [Visitor, Visitor];
    first.waiting.leave();
    first.waiting.leave();
    expect(circuit.gate.size).toBe(1);
    expect(vi.getTimerCount()).toBe(1);
    second.waiting.leave();
    expect(circuit.gate.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('needs one timer however many wait', async () => {
    const circuit = new ScriptedCircuit();
    circuit.open(400);
    for (let maxWaitMs = 400; maxWaitMs < 500; maxWaitMs++) circuit.come(maxWaitMs);
    expect(vi.getTimerCount()).toBe(1);
    await pass(400);
    expect(circuit.gate.size).toBe(99);
    expect(vi.getTimerCount()).toBe(1);
  });

  test('is left by 10,000 in less than 50 ms', () => {
    const circuit = new ScriptedCircuit({ maxQueue: 10_000 });
    circuit.open(400);
    const waiting = comers(circuit, 10_000).map((visitor) => visitor.waiting);
    const cpu = process.cpuUsage();
    for (const place of waiting) place.leave();
    const { user, system } = process.cpuUsage(cpu);
    expect(circuit.gate.size).toBe(0);
    expect((user + system) / 1_000).toBeLessThan(50);
  });
});
