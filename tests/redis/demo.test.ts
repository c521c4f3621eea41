import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';

interface Demo {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number | null;
}

function runDemo(): Promise<Demo> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/fleet/demo.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve) => child.on('close', (exitCode) => resolve({ output, errors, exitCode })));
}

describe('the demo of a fleet', () => {
  let demo: Demo;
  const phase = (title: string) => demo.output.split('\n\n').find((part) => part.startsWith(title)) ?? '';
  /** The changes that are told in a phase, without their times. */
  const changes = (title: string) =>
    Array.from(phase(title).matchAll(/^ +[\d.]+ s {2}process (\d): (.+)$/gm), ([, name, what]) => `${name}: ${what}`);
  const sums = (title: string) => {
    const [, answered, failed, rejected] =
      /together: +(\d+) answered, (\d+) failed, (\d+) rejected/.exec(phase(title)) ?? [];
    return { answered: Number(answered), failed: Number(failed), rejected: Number(rejected) };
  };
  const everywhere = (what: string) => ['1', '2', '3', '4'].map((name) => `${name}: ${what}`);

  beforeAll(async () => {
    demo = await runDemo();
  }, 90_000);

  test('ends by itself with exit code 0 and complains of nothing', () => {
    expect(demo).toMatchObject({ exitCode: 0, errors: '' });
  });

  test('sends no command to Redis while the service is well', () => {
    expect(sums('The service is well.')).toMatchObject({ failed: 0, rejected: 0 });
    expect(phase('The service is well.')).toContain('; 0 commands to Redis');
  });

  test('opens all four circuits on the failures of one process', () => {
    const seen = changes('It answers 503 to process 2 alone').map((change) => change.replace(/ \(.+\)$/, ''));
    expect(seen.sort()).toEqual(everywhere('circuit closed -> open'));
    expect(sums('It answers 503 to process 2 alone').rejected).toBeGreaterThan(0);
  });

  test('closes them all after one probe', () => {
    const closings = changes('It is well again').filter((change) => change.includes('-> closed'));
    expect(closings.map((change) => change.slice(3)).sort()).toEqual([
      'circuit half-open -> closed (probe-succeeded)',
      'circuit half-open -> closed (shared)',
      'circuit half-open -> closed (shared)',
      'circuit half-open -> closed (shared)',
    ]);
    expect(sums('It is well again').failed).toBe(0);
  });

  test('loses no call when Redis is killed', () => {
    expect(sums('Redis is killed')).toMatchObject({ failed: 0, rejected: 0 });
    expect(phase('Redis is killed')).toContain('Redis is away');
  });

  test('opens each circuit by itself while Redis is away', () => {
    const seen = changes('The service fails too');
    expect(seen).toEqual(expect.arrayContaining(everywhere('the store is degraded')));
    expect(seen).toEqual(expect.arrayContaining(everywhere('circuit closed -> open (threshold)')));
  });

  test('closes them and shares them again when both are back', () => {
    const seen = changes('Both are back');
    expect(seen).toEqual(expect.arrayContaining(everywhere('the store is recovered')));
    expect(seen).toEqual(expect.arrayContaining(everywhere('circuit half-open -> closed (probe-succeeded)')));
    expect(sums('Both are back').failed).toBe(0);
  });
});
