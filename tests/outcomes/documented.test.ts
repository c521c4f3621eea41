import { readFileSync } from 'node:fs';
import { AxiosError } from 'axios';
import { describe, expect, test } from 'vitest';
import { DEFAULTS } from '../../src/index.js';
import { diagnose, failed } from '../../src/interceptors/outcome/diagnosis.js';
import { OWN_CODES, OWN_EXCEPTIONS } from '../../src/interceptors/outcome/own-doing.js';

const page = readFileSync(new URL('../../docs/outcomes.md', import.meta.url), 'utf8');

/** The rows of a section, as cells. */
function rowsOf(heading: string): readonly string[][] {
  const [, section = ''] = page.split(`## ${heading}\n`);
  const [body = ''] = section.split('\n## ');
  return body
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => line.split('|').slice(1, -1));
}

const codesIn = (text = ''): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
const config = { headers: {} } as never;
const diagnosed = (code: string, syscall?: string) =>
  diagnose(failed(Object.assign(new AxiosError('failed', code), { syscall })), config);

describe('docs/outcomes.md', () => {
  test('names every code and exception that is the own doing of the caller', () => {
    const named = new Set(rowsOf("The caller's own doing").flatMap(([, seen]) => codesIn(seen)));
    expect([...OWN_CODES, ...OWN_EXCEPTIONS].filter((name) => !named.has(name))).toEqual([]);
  });

  test('names codes as surely not sent that are, and no others', () => {
    const rows = rowsOf('No whole answer').map(([, seen, unsent = '']) => ({
      codes: codesIn(seen),
      unsent: unsent.trim(),
    }));
    const told = rows.flatMap(({ codes, unsent }) =>
      codes
        .filter((code) => /^[A-Z][A-Z0-9_]+$/.test(code))
        .map((code) => [code, unsent === 'yes', diagnosed(code, 'connect').unsent]),
    );
    expect(told.length).toBeGreaterThan(20);
    expect(told.filter(([, documented, unsent]) => documented !== unsent)).toEqual([]);
  });

  test('names the statuses that are retried by default', () => {
    const retried = rowsOf('Whole answers').filter(([, , isRetried = '']) => isRetried.trim() === 'yes');
    const statuses = retried
      .map(([status = '']) => status)
      .join()
      .replace('520 to 524', '520, 521, 522, 523, 524')
      .match(/\d+/g);
    expect(statuses?.map(Number).sort()).toEqual([...DEFAULTS.retry.statusCodes].sort());
  });
});
