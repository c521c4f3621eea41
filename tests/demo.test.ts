import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';

interface Demo {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number | null;
}

/** Runs the demo without a terminal, its phases shortened. */
function runDemo(): Promise<Demo> {
  const { NO_COLOR: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/outage/demo.ts', '--fast'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, FORCE_COLOR: '1' },
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ output, errors, exitCode })));
}

/** The numbers of a row of the table: plain axios, then attached. */
function rowOf(output: string, label: string): [plain: number, attached: number] {
  const [, plain, attached] = new RegExp(`^  ${label} +([\\d.]+)(?: ms)? +([\\d.]+)(?: ms)?$`, 'm').exec(output) ?? [];
  return [Number(plain), Number(attached)];
}

describe('the demo', { timeout: 60_000 }, () => {
  let demo: Demo;
  const row = (label: string) => rowOf(demo.output, label);
  const changesOf = (subject: 'service' | 'circuit') =>
    Array.from(demo.output.matchAll(new RegExp(`^ +[\\d.]+ s  ${subject}  (.+?): .+$`, 'gm')), ([, change]) => change);

  beforeAll(async () => {
    demo = await runDemo();
  }, 60_000);

  it('ends by itself with exit code 0 and complains of nothing', () => {
    expect(demo).toMatchObject({ exitCode: 0, errors: '' });
  });

  it('names each phase of the service', () => {
    expect(changesOf('service')).toEqual([
      'healthy',
      'healthy -> failing',
      'failing -> healthy',
      'healthy -> failing',
      'failing -> down',
      'down -> hanging',
      'hanging -> healthy',
    ]);
  });

  it('names each change of the circuit: it opens, is probed in vain, and closes when the service is back', () => {
    const changes = changesOf('circuit');
    const [befores, afters] = [0, 1].map((side) => changes.map((change) => change?.split(' -> ')[side])) as [
      string[],
      string[],
    ];
    expect(befores).toEqual(['closed', ...afters.slice(0, -1)]);
    expect(changes[0]).toBe('closed -> open');
    expect(changes.filter((change) => change === 'half-open -> open').length).toBeGreaterThanOrEqual(2);
    expect(changes.slice(-2)).toEqual(['open -> half-open', 'half-open -> closed']);
  });

  it('makes the same calls with and without the plugin, and accounts for each', () => {
    const [calls, sameCalls] = row('calls');
    expect(calls).toBeGreaterThan(50);
    expect(sameCalls).toBe(calls);
    const results = [row('answered'), row('failed')];
    for (const caller of [0, 1] as const) {
      expect(results.reduce((sum, counts) => sum + counts[caller], 0)).toBe(calls);
    }
  });

  it('answers more calls than plain axios, and none fails after the service is back for as long as with that', () => {
    const [plainAnswered, attachedAnswered] = row('answered');
    const [plainFailedUntil, attachedFailedUntil] = row('calls failed until, after its return');
    expect(attachedAnswered).toBeGreaterThan(plainAnswered + 10);
    expect(attachedFailedUntil).toBeLessThan(plainFailedUntil);
  });

  it('spares the service while it is ill', () => {
    const [plain, attached] = row('  of these, while it was ill');
    const [plainInAll, attachedInAll] = row('requests that reached the service');
    expect(plain).toBeLessThan(plainInAll);
    expect(attached).toBeLessThan(attachedInAll);
    expect(attached).toBeLessThan((3 / 4) * plain);
  });

  it('shows what callers waited, the median never above the p99', () => {
    const medians = row('median wait');
    const p99s = row('p99 wait');
    for (const caller of [0, 1] as const) expect(p99s[caller]).toBeGreaterThanOrEqual(medians[caller]);
  });

  it('writes no escape sequences without a terminal, also where colours are forced', () => {
    expect(demo.output).not.toContain('\x1b');
  });
});
