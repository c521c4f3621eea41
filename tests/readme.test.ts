import { once } from 'node:events';
import { createReadStream, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as nestCommon from '@nestjs/common';
import * as nestCore from '@nestjs/core';
import * as openTelemetry from '@opentelemetry/api';
import * as axiosModule from 'axios';
import axios, { type AxiosAdapter, AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import MockAdapter from 'axios-mock-adapter';
import express from 'express';
import promClient from 'prom-client';
import ts from 'typescript';
import * as vitest from 'vitest';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DetectorFactory } from '../src/circuit/detectors/detectors.js';
import type { DelayContext, ExponentialOptions } from '../src/delay.js';
import * as library from '../src/index.js';
import { attach, type BreakerRegistry, DEFAULTS, reportOf } from '../src/index.js';
import { DURATION_BUCKETS, INSTRUMENTS } from '../src/metrics/instruments.js';
import { openTelemetrySink } from '../src/opentelemetry/opentelemetry.js';
import { prometheusSink } from '../src/prometheus/prometheus.js';
import { exportToMemory } from './opentelemetry/support.js';
import { type Answer, json, startServer, type TestServer } from './support/server.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const prometheusSource = readFileSync(join(root, 'src/prometheus/prometheus.ts'), 'utf8');

interface Block {
  /** The name of its file. */
  readonly page: string;
  readonly heading: string;
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

type Row = readonly string[];

interface Table {
  readonly heading: string;
  readonly head: Row;
  readonly rows: readonly Row[];
}

const pages = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => parse(readFileSync(join(root, 'docs', name), 'utf8'), name));
const home = parse(readme, 'README.md');
const { headings } = home;
const blocks = [home, ...pages].flatMap((page) => page.blocks);
const tables = [home, ...pages].flatMap((page) => page.tables);

function parse(markdown: string, page: string) {
  const blocks: Block[] = [];
  const tables: Table[] = [];
  const headings: string[] = [];
  const lines = markdown.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const heading = headings.at(-1) ?? '';
    const takeWhile = (belongs: (line: string) => boolean): string[] => {
      const taken: string[] = [];
      while (belongs(lines[index + 1] ?? '```')) taken.push(lines[++index] ?? '');
      return taken;
    };
    const language = /^```(\w+)$/.exec(line)?.[1];
    if (language)
      blocks.push({ page, heading, language, line: index + 1, code: takeWhile((next) => next !== '```').join('\n') });
    if (language) index++;
    else if (line.startsWith('#')) headings.push(line.replace(/^#+ /, ''));
    else if (line.startsWith('|')) {
      const [, ...rows] = takeWhile((next) => next.startsWith('|')).map(cellsOf);
      tables.push({ heading, head: cellsOf(line), rows });
    }
  }
  return { blocks, tables, headings };
}

function cellsOf(line: string): Row {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

const codeIn = (cell: string | undefined): string[] =>
  [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
const wholeCode = (cell: string | undefined): string | undefined => /^`([^`]+)`$/.exec(cell ?? '')?.[1];

function table(heading: string, firstColumn: string): Table {
  const found = tables.find((candidate) => candidate.heading === heading && candidate.head[0] === firstColumn);
  if (found === undefined) throw new Error(`There is no table of ${firstColumn} under "${heading}"`);
  return found;
}

const firstCodes = ({ rows }: Table): string[] => rows.map(([cell]) => codeIn(cell).join());

function block(heading: string, position = 0): Block {
  const found = blocks.filter((candidate) => candidate.heading === heading && candidate.language === 'ts')[position];
  if (found === undefined) throw new Error(`There is no ts block ${position + 1} under "${heading}"`);
  return found;
}

/** What the blocks may use without saying where it comes from. */
const PRELUDE = `
  import type { AxiosInstance, InternalAxiosRequestConfig } from 'axios';
  import type { Resilience } from 'axios-resilience';
  import type { Express } from 'express';
  declare global {
    const api: AxiosInstance;
    const app: Express;
    const resilience: Resilience;
    const cache: { get(url: string | undefined): unknown };
    const tokens: { refresh(): Promise<string> };
    const signer: { headersFor(config: InternalAxiosRequestConfig): Promise<Record<string, string>> };
    const queue: { send(message: unknown): Promise<void> };
    const file: string;
  }
`;

const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  strict: true,
  skipLibCheck: true,
  experimentalDecorators: true,
  noEmit: true,
  // As it is published: what is internal is not there.
  paths: { 'axios-resilience': [join(root, 'dist/index.d.ts')], 'axios-resilience/*': [join(root, 'dist/*.d.ts')] },
};

const pathOf = ({ page, line }: Block): string => join(root, 'tests', `${page}-line-${line}.ts`);
const preludePath = join(root, 'tests/readme-prelude.d.ts');
const typed = blocks.filter(({ language }) => language === 'ts');

let program: ts.Program;

beforeAll(() => {
  const virtual = new Map(typed.map((item) => [pathOf(item), `${item.code}\nexport {};\n`]));
  virtual.set(preludePath, PRELUDE);
  const host = ts.createCompilerHost(COMPILER_OPTIONS);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => virtual.has(path) || fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const text = virtual.get(path);
    return text === undefined ? getSourceFile(path, version, ...rest) : ts.createSourceFile(path, text, version, true);
  };
  program = ts.createProgram([...virtual.keys(), join(root, 'src/index.ts')], COMPILER_OPTIONS, host);
}, 60_000);

function sourceOf(path: string): ts.SourceFile {
  const source = program.getSourceFile(path);
  if (source === undefined) throw new Error(`${path} is not part of the program`);
  return source;
}

function complaintsAbout(path: string): string[] {
  return ts
    .getPreEmitDiagnostics(program, sourceOf(path))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** The names that a block takes from the prelude. */
function borrowedBy(path: string): string[] {
  const checker = program.getTypeChecker();
  const borrowed = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const declarations = checker.getSymbolAtLocation(node)?.declarations ?? [];
      if (declarations.some((declaration) => declaration.getSourceFile().fileName === preludePath))
        borrowed.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(sourceOf(path));
  return [...borrowed];
}

function publicType(name: string): ts.Type {
  const checker = program.getTypeChecker();
  const declared = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(`${root}/src/`))
    .flatMap(({ statements }) => statements)
    .find((one) => (ts.isInterfaceDeclaration(one) || ts.isTypeAliasDeclaration(one)) && one.name.text === name);
  const symbol = declared && checker.getSymbolAtLocation((declared as ts.InterfaceDeclaration).name);
  if (symbol === undefined) throw new Error(`There is no type ${name}`);
  return checker.getDeclaredTypeOfSymbol(symbol);
}

/** What the exported function yields, by the name of its type. */
function yieldOf(name: string): string | undefined {
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(sourceOf(join(root, 'src/index.ts')));
  const symbol = module && checker.getExportsOfModule(module).find((candidate) => candidate.name === name);
  if (symbol === undefined) throw new Error(`${name} is not exported`);
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return checker.getTypeOfSymbol(target).getCallSignatures()[0]?.getReturnType().aliasSymbol?.name;
}

/** The default that the documentation of a field states. */
function documentedDefault(type: ts.Type, field: string): string | undefined {
  const tags = type.getProperty(field)?.getJsDocTags(program.getTypeChecker()) ?? [];
  const text = tags.find(({ name }) => name === 'default')?.text;
  return text && ts.displayPartsToString(text);
}

const fieldsOf = (type: ts.Type): string[] => type.getProperties().map(({ name }) => name);
const membersOf = (type: ts.Type): readonly ts.Type[] => (type.isUnion() ? type.types : [type]);
const literalsOf = (name: string): unknown[] =>
  membersOf(publicType(name)).map((member) => (member.isLiteral() ? member.value : undefined));

describe('the readme as a text', () => {
  test('stays under 200 lines and has no badges', () => {
    expect(readme.split('\n').length).toBeLessThan(200);
    expect(readme).not.toMatch(/shields\.io|badge/);
  });

  test('has a quick start of at most 15 lines that sets a timeout', () => {
    const { code } = block('Quick start');
    expect(code.split('\n').length).toBeLessThanOrEqual(15);
    expect(code).toContain('timeout: 5_000');
  });

  test('links to headings and files that exist', () => {
    const ours =
      /https:\/\/(?:github|raw\.githubusercontent)\.com\/axios-resilience\/axios-resilience\/(?:blob\/)?main\//g;
    const prose = readme.replace(/^```[\s\S]*?^```$/gm, '').replace(ours, '');
    const anchors = headings.map(
      (heading) =>
        `#${heading
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-')}`,
    );
    const links = [...prose.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link ?? '');
    const dead = links.filter((link) =>
      link.startsWith('#')
        ? !anchors.includes(link)
        : !/^https:/.test(link) && !existsSync(join(root, link.split('#')[0] ?? '')),
    );
    expect(links.length).toBeGreaterThan(10);
    expect(dead).toEqual([]);
  });

  test('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...readme.matchAll(/npm (?:run ([\w:]+)|(test))/g)].map(([, script, test]) => script ?? test ?? '');
    expect(new Set(named)).toEqual(new Set(['demo', 'demo:fleet', 'test', 'bench', 'bench:soak']));
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });
});

describe('the types of the readme and the pages', () => {
  test.each(typed.map((item) => [item.page, item.line, item] as const))(
    '%s, line %i, compiles',
    (_page, _line, item) => {
      expect(complaintsAbout(pathOf(item))).toEqual([]);
    },
  );

  test('the quick start and the outage are complete as they stand', () => {
    expect(borrowedBy(pathOf(block('Quick start')))).toEqual([]);
    expect(borrowedBy(pathOf(block('What it looks like in an outage')))).toEqual([]);
    expect(borrowedBy(pathOf(block('How do I retry a POST?')))).toEqual(['api']);
  });
});

describe('the option tables', () => {
  const nested = (group: string, name: string) => fieldsOf(publicType(name)).map((field) => `${group}.${field}`);
  const without = (names: string[], ...left: string[]) => names.filter((name) => !left.includes(name));

  const groups: Record<string, { readonly defaults: unknown; readonly names: () => string[] }> = {
    Options: {
      defaults: DEFAULTS,
      names: () => [...fieldsOf(publicType('ResilienceOptions')), ...nested('idempotencyKey', 'IdempotencyKeyOptions')],
    },
    retry: {
      defaults: DEFAULTS.retry,
      names: () => [...fieldsOf(publicType('RetryOptions')), ...nested('budget', 'BudgetOptions')],
    },
    breaker: {
      defaults: DEFAULTS.breaker,
      names: () => [
        ...without(fieldsOf(publicType('BreakerOptions')), 'halfOpen'),
        ...nested('halfOpen', 'HalfOpenOptions'),
      ],
    },
  };

  const evaluate = (code: string): Promise<unknown> => {
    const exported = Object.entries(library);
    const run = asyncFunction(...exported.map(([name]) => name), `return (${code})`);
    return run(...exported.map(([, value]) => value));
  };
  const at = (defaults: unknown, path: string): unknown =>
    path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], defaults);

  /** Functions are compared by what they do. */
  const comparable = (path: string, value: unknown): unknown => {
    if (path === 'backoff') return delaysOf(value as library.Delay);
    if (path === 'cooldownMs') return cooldownsOf(value as (context: DelayContext) => number);
    return path === 'detector' ? failuresToTrip(value as DetectorFactory) : value;
  };
  const contextOf = (attempt: number, random: number): DelayContext => ({
    key: '',
    attempt,
    previousMs: undefined,
    error: undefined,
    response: undefined,
    retryAfterMs: undefined,
    random: () => random,
  });
  const delaysOf = (backoff: library.Delay) =>
    [0, 0.5, 0.99].flatMap((random) => [1, 2, 3, 9, 10, 20].map((attempt) => backoff(contextOf(attempt, random))));
  const cooldownsOf = (cooldownMs: (context: DelayContext) => number) => {
    const cooldowns = [1, 2, 3, 9, 10, 20].map((openings) => cooldownMs(contextOf(openings, 0.5)));
    return cooldowns;
  };
  const failuresToTrip = (make: DetectorFactory) => {
    const detector = make();
    let failures = 1;
    while (!detector.record('failure', failures * 10, 1) && failures < 100) failures++;
    return failures;
  };

  test.each(Object.keys(groups))('%s: names every option and no other', (heading) => {
    expect(firstCodes(table(heading, 'option')).sort()).toEqual(groups[heading]?.names().sort());
  });

  test.each(Object.keys(groups))('%s: shows the defaults of DEFAULTS', async (heading) => {
    const { defaults } = groups[heading] ?? {};
    for (const [cell, shown] of table(heading, 'option').rows) {
      const path = codeIn(cell).join();
      const actual = at(defaults, path);
      const code = wholeCode(shown);
      if (code !== undefined && !path.startsWith('idempotencyKey.')) {
        expect([path, comparable(path, await evaluate(code))]).toEqual([path, comparable(path, actual)]);
      } else if (!['retry', 'breaker', 'errorCodes'].includes(path)) {
        expect([path, actual]).toEqual([path, undefined]);
      }
    }
  });

  const OPTIONS_OF_DETECTORS: Record<string, string> = {
    consecutiveFailures: 'ConsecutiveFailuresOptions',
    failuresInWindow: 'FailuresInWindowOptions',
    failureRate: 'FailureRateOptions',
    failureRateInWindow: 'FailureRateInWindowOptions',
    slowCallRate: 'SlowCallRateOptions',
  };

  /** The rows of a table as `[option, type, field, shown default]`. */
  const documented: Record<string, () => (readonly [string, string, string, string | undefined])[]> = {
    detectors: () =>
      table('Choosing a detector', 'option').rows.map(([cell, shown]) => {
        const [factory = '', field = ''] = codeIn(cell).join().split('.');
        return [factory, OPTIONS_OF_DETECTORS[factory] ?? '', field, shown];
      }),
    exponential: () =>
      table('Cooldown and probes', 'option of `exponential`').rows.map(([cell, shown]) => [
        'exponential',
        'ExponentialOptions',
        codeIn(cell).join(),
        shown,
      ]),
    retry: () =>
      table('What is not axios', 'option of `retry`').rows.map(([cell, shown]) => [
        'retry',
        'RetryFunctionOptions',
        codeIn(cell).join(),
        shown,
      ]),
  };

  test.each(Object.keys(documented))('%s: names every option and no other, with the default of its type', (name) => {
    const rows = documented[name]?.() ?? [];
    const types =
      name === 'detectors' ? Object.values(OPTIONS_OF_DETECTORS) : [...new Set(rows.map(([, type]) => type))];
    const actual = types.flatMap((type) => fieldsOf(publicType(type)).map((field) => `${type}.${field}`));
    expect(rows.map(([, type, field]) => `${type}.${field}`).sort()).toEqual(actual.sort());
    for (const [, type, field, shown] of rows) {
      const stated = documentedDefault(publicType(type), field);
      const expected = stated === 'none' ? undefined : stated;
      expect([`${type}.${field}`, wholeCode(shown)]).toEqual([`${type}.${field}`, expected]);
    }
  });

  /** At which outcomes of a fixed mixture the detector trips; empty again after each. */
  const tripsOf = (make: DetectorFactory): number[] => {
    const detector = make();
    let state = 7;
    let now = 0;
    return Array.from({ length: 3_000 }, (_, index) => index).filter((index) => {
      state = (state * 48_271) % 2_147_483_647;
      const share = [0.35, 0.1, 0.6][Math.floor(index / 100) % 3] ?? 0;
      now += Math.floor(index / 50) % 2 === 0 ? 2_000 : 9_000;
      const isBad = state / 2_147_483_647 < share;
      const trips = detector.record(isBad ? 'failure' : 'success', now, isBad ? 1_000 : 10);
      if (trips) detector.reset();
      return trips;
    });
  };

  test('the sums of the delays before three retries are those of the table', async () => {
    const sumOf = (backoff: library.Delay, random: number) => {
      const delays: number[] = [];
      for (const attempt of [1, 2, 3])
        delays.push(backoff({ ...contextOf(attempt, random), previousMs: delays.at(-1) }));
      return Math.round(delays.reduce((sum, delayMs) => sum + delayMs));
    };
    const { rows } = table('How long to wait', '`backoff`');
    expect(rows).toHaveLength(6);
    for (const [cell, ...shown] of rows) {
      const backoff = (await evaluate(wholeCode(cell) ?? '')) as library.Delay;
      const sums = [0, 0.5, 1].map((random) => sumOf(backoff, random)).sort((one, other) => one - other);
      expect([cell, ...shown.map((sum) => Number(sum.replace(',', '')))]).toEqual([cell, ...sums]);
    }
  });

  test('the defaults of the detectors are what they do, and twice as much is something else', async () => {
    for (const [factory, , field, shown] of documented['detectors']?.() ?? []) {
      const code = wholeCode(shown);
      if (code === undefined || factory === 'consecutiveFailures') continue;
      const slow = factory === 'slowCallRate' && { slowMs: 500 };
      const make = (given: object) => (library as any)[factory]({ ...slow, ...given }) as DetectorFactory;
      const value = Number(await evaluate(code));
      expect([factory, field, tripsOf(make({ [field]: value }))]).toEqual([factory, field, tripsOf(make({}))]);
      expect([factory, field, tripsOf(make({ [field]: value * 2 }))]).not.toEqual([factory, field, tripsOf(make({}))]);
    }
  });

  test('the defaults of consecutiveFailures are what it does, and other values are something else', async () => {
    const rows = (documented['detectors']?.() ?? []).filter(([factory]) => factory === 'consecutiveFailures');
    const call = {};
    const endings: [number, object][] = [0, 10, 20_000, 20_010, 20_020, 50_000].map((now) => [
      now,
      now > 10 ? {} : call,
    ]);
    const trip = (given: object): number => {
      const detector = library.consecutiveFailures(3, given)();
      return endings.findIndex(([now, of]) => detector.record('failure', now, 5, of));
    };
    const others: Record<string, [unknown, number]> = {
      minSpanMs: [30_000, 5],
      maxAgeMs: [15_000, 4],
      perCall: [true, 3],
    };
    expect(trip({})).toBe(2);
    expect(rows.map(([, , field]) => field).sort()).toEqual(Object.keys(others).sort());
    for (const [, , field, shown] of rows) {
      expect([field, trip({ [field]: await evaluate(wholeCode(shown) ?? '') })]).toEqual([field, 2]);
      const [other, later] = others[field] ?? [];
      expect([field, trip({ [field]: other })]).toEqual([field, later]);
    }
  });

  test('the defaults of exponential are what it does, and twice as much is something else', async () => {
    const delays = (given: ExponentialOptions) =>
      [1, 2, 3, 4, 5, 20].map((attempt) => library.exponential(given)(contextOf(attempt, 0.5)));
    expect(delays({})).toEqual([100, 200, 400, 800, 1_600, 30_000]);
    for (const [, , field, shown] of documented['exponential']?.() ?? []) {
      const code = wholeCode(shown);
      if (code === undefined) continue;
      const value = await evaluate(code);
      expect([field, delays({ [field]: value })]).toEqual([field, delays({})]);
      const other = value === false ? 0.5 : Number(value) * 2;
      expect([field, delays({ [field]: other })]).not.toEqual([field, delays({})]);
    }
  });

  test('retry has the defaults of attach', async () => {
    const shown = new Map(documented['retry']?.().map(([, , field, cell]) => [field, wholeCode(cell)]));
    expect(await evaluate(shown.get('retries') ?? '')).toBe(DEFAULTS.retry.retries);
    const backoff = (await evaluate(shown.get('backoff') ?? '')) as library.Delay;
    expect(delaysOf(backoff)).toEqual(delaysOf(DEFAULTS.retry.backoff));
  });

  test('an idempotency key is by default an unquoted random UUID in the header Idempotency-Key', async () => {
    const shown = table('Options', 'option').rows.filter(([cell]) => cell?.includes('idempotencyKey.'));
    expect(shown.map(([, value]) => value)).toEqual(["`'Idempotency-Key'`", 'a random UUID', '`false`']);
    const { api, attempts } = serve([200]);
    attach(api, { idempotencyKey: true });
    await api.post('/orders');
    expect(attempts[0]?.headers?.['Idempotency-Key']).toMatch(/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/);
  });
});

describe('the other tables', () => {
  test('events: every event with its payload', () => {
    const checker = program.getTypeChecker();
    const actual = publicType('ResilienceEvents')
      .getProperties()
      .map((event) => {
        const members = membersOf(checker.getTypeOfSymbol(event));
        const fields = new Set(members.flatMap((member) => fieldsOf(member)));
        return [event.name, [...fields].filter((field) => !['type', 'key', 'at'].includes(field)).sort()];
      });
    const shown = table('Events', 'event').rows.map(([name, , payload]) => [
      codeIn(name).join(),
      codeIn(payload).sort(),
    ]);
    expect(shown).toEqual(actual);
    expect(shown).toHaveLength(13);
  });

  test('what happens to a store: every status', () => {
    const checker = program.getTypeChecker();
    const statuses = membersOf(publicType('StoreNews')).map((news) => {
      const status = news.getProperty('status');
      return status && checker.typeToString(checker.getTypeOfSymbol(status)).replaceAll('"', '');
    });
    expect(firstCodes(table('Events', '`status` of `store`'))).toEqual(statuses);
  });

  test('reasons: every one', () => {
    const shown = firstCodes(table('Events', '`reason` of `stateChange`'));
    expect(shown.sort()).toEqual(literalsOf('TransitionReason').sort());
  });

  test('instruments: every one as it is measured', () => {
    const actual = Object.values(INSTRUMENTS).map(({ name, kind, labels, description }) => [
      `\`${name}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(', '),
      description,
    ]);
    expect(table('Metrics and tracing', 'instrument').rows).toEqual(actual);
    expect(actual).toHaveLength(19);
  });

  test('sinks for metrics: every option, with the default of its type', () => {
    const shown = table('Metrics and tracing', 'option').rows.map(([name, value]) => [codeIn(name).join(), value]);
    expect(shown).toEqual([
      ['prometheusSink.register', 'that of the module'],
      ['prometheusSink.prefix', "`''`"],
      ['prometheusSink.buckets', `\`[${DURATION_BUCKETS.join(', ')}]\``],
      ['openTelemetrySink.meter', '`axios-resilience` of the registered provider'],
    ]);
    const documentedBuckets = /@default (\[.*\])/.exec(prometheusSource)?.[1];
    expect(documentedBuckets).toBe(`[${DURATION_BUCKETS.join(', ')}]`);
  });

  test('detectors: every built-in one', () => {
    const actual = Object.keys(library).filter((name) => yieldOf(name) === 'DetectorFactory');
    expect(firstCodes(table('Choosing a detector', 'detector')).sort()).toEqual(actual.sort());
    expect(actual).toHaveLength(7);
  });

  test('stats(): every field, and every count', () => {
    const shown = table('Control by hand', 'field of `stats()`');
    expect(firstCodes(shown)).toEqual(fieldsOf(publicType('CircuitStats')));
    const counts = shown.rows.find(([cell]) => cell === '`counts`')?.[1];
    expect(codeIn(counts).sort()).toEqual(Object.keys(new library.CircuitBreaker('x').stats().counts).sort());
  });

  test('stopped: every reason', () => {
    expect(firstCodes(table('Errors', '`stopped`')).sort()).toEqual(literalsOf('Stopped').sort());
  });

  test('reportOf: every field', () => {
    expect(firstCodes(table('Errors', 'field'))).toEqual(fieldsOf(publicType('ResilienceReport')));
  });

  test('outcomes: every one', () => {
    expect(firstCodes(table('What counts as a failure', 'outcome')).sort()).toEqual(literalsOf('Outcome').sort());
  });

  test('a CircuitOpenError has the fields that are named', () => {
    const page = readFileSync(join(root, 'docs/errors-and-events.md'), 'utf8');
    const paragraph = /^It carries `code`[\s\S]*?\n\n/m.exec(page)?.[0];
    const error: object = new library.CircuitOpenError({ key: 'GET https://api.example.com', retryAfterMs: 1_500 });
    for (const field of ['code', 'key', 'retryAfterMs', 'status', 'statusCode', 'headers']) {
      expect(codeIn(paragraph)).toContain(field);
      expect(error).toHaveProperty(field);
    }
    expect(error).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', status: 503, headers: { 'Retry-After': '2' } });
  });
});

const modules: Record<string, object> = {
  axios: axiosModule,
  'axios-resilience': library,
  'axios-resilience/opentelemetry': { openTelemetrySink },
  'axios-resilience/prometheus': { prometheusSink },
  '@opentelemetry/api': openTelemetry,
  'prom-client': { default: promClient },
  'axios-mock-adapter': { default: MockAdapter },
  '@nestjs/common': nestCommon,
  '@nestjs/core': nestCore,
  'node:fs': { createReadStream, existsSync, readFileSync, writeFileSync },
  vitest,
};

interface Surroundings {
  /** The server that stands in for https://api.example.com. */
  readonly url?: string;
  readonly modules?: Record<string, object>;
  /** Values for the names of the prelude, and for `console`. */
  readonly given?: Record<string, unknown>;
  /** Names of the block's own that the test wants to see. */
  readonly wanted?: readonly string[];
}

/** A function whose parameters and body are given as text; the body may await. */
function asyncFunction(...source: string[]): (...values: unknown[]) => Promise<unknown> {
  const AsyncFunction = (async () => undefined).constructor as new (
    ...text: string[]
  ) => ReturnType<typeof asyncFunction>;
  return new AsyncFunction(...source);
}

/** Runs a block as it stands in the readme. */
async function execute({ code }: Block, { url, modules: replaced, given = {}, wanted = [] }: Surroundings) {
  const compilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    esModuleInterop: true,
    experimentalDecorators: true,
  };
  const { outputText } = ts.transpileModule(code.replaceAll('https://api.example.com', url ?? '$&'), {
    compilerOptions,
  });
  const load = (name: string) => ({ ...modules[name], ...replaced?.[name], __esModule: true });
  const exported: Record<string, any> = {};
  const run = asyncFunction('require', 'exports', ...Object.keys(given), `${outputText}\nreturn { ${wanted.join()} };`);
  const own = await run(load, exported, ...Object.values(given));
  return { ...(own as object), ...exported } as Record<string, any>;
}

/** An instance whose adapter answers with these statuses, the last one again and again. */
function serve(statuses: number[]): { api: AxiosInstance; adapter: AxiosAdapter; attempts: AxiosRequestConfig[] } {
  const attempts: AxiosRequestConfig[] = [];
  const adapter: AxiosAdapter = async (config) => {
    attempts.push({ ...config, headers: config.headers.toJSON() });
    const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 200;
    const response = { data: { status }, status, statusText: '', headers: {}, config };
    if (status < 400) return response;
    throw new AxiosError(`Request failed with status code ${status}`, 'ERR_BAD_RESPONSE', config, {}, response);
  };
  return { api: axios.create({ baseURL: 'https://api.example.com', adapter }), adapter, attempts };
}

function recordingConsole() {
  const lines: string[] = [];
  const write = (...values: unknown[]) => void lines.push(values.map((value) => String(value)).join(' '));
  return { lines, console: { log: write, info: write, warn: write, error: write } };
}

describe('the outage', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  test('prints the lines that are shown', async () => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(0.9);
    const { adapter } = serve([...new Array<number>(17).fill(503), 200]);
    const { lines, console } = recordingConsole();
    const create = (config: AxiosRequestConfig) => axios.create({ ...config, adapter });
    const { api } = await execute(block('What it looks like in an outage'), {
      modules: { axios: { default: { create } } },
      given: { console },
      wanted: ['api'],
    });
    const call = async () => {
      const ended = api.get('/users/42').catch((error: unknown) => error);
      await vi.runAllTimersAsync();
      await ended;
    };
    for (let caller = 1; caller <= 6; caller++) await call();
    await vi.advanceTimersByTimeAsync(500);
    await call();

    const shown = blocks.find(
      ({ heading, language }) => heading === 'What it looks like in an outage' && language === 'text',
    );
    const expected = shown?.code.split('\n') ?? [];
    expect(lines.slice(-expected.length)).toEqual(expected);
  });
});

describe('on a real server', () => {
  let server: TestServer;
  let api: AxiosInstance;

  beforeEach(async () => {
    server = await startServer();
    api = axios.create({ baseURL: server.url });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await server.close();
  });

  const asked = () => server.requests.map(({ method, url }) => `${method} ${url}`);
  const unless =
    (header: string, value: string, status: number): Answer =>
    (request, response, raw) =>
      json(request.headers[header] === value ? 200 : status, {})(request, response, raw);
  const run = (heading: string, { given, ...rest }: Surroundings = {}, position = 0) =>
    execute(block(heading, position), { url: server.url, given: { api, ...given }, ...rest });

  test('the quick start works', async () => {
    const { lines, console } = recordingConsole();
    await execute(block('Quick start'), { url: server.url, given: { console } });
    expect(asked()).toEqual(['GET /users/42', 'GET /users/42', 'GET /feed', 'GET /health']);
    expect(lines).toEqual(['closed']);
  });

  test('per request: the overrides work', async () => {
    attach(api, { retry: { backoff: () => 0 } });
    server.script(200, 503, 200, 503, 200, 200);
    await run('Per request, and merging');
    expect(asked()).toEqual([
      'GET /users/42',
      'POST /search',
      'POST /search',
      'GET /flaky',
      'GET /flaky',
      'GET /health',
    ]);
  });

  test('per request: an object replaces a number in the defaults, and undefined hides it', async () => {
    const { api, attempts } = serve([503]);
    attach(api, { retry: { retries: 1, backoff: () => 0 }, breaker: false });
    const attemptsOf = async (resilience: library.ResilienceRequestOptions) => {
      attempts.length = 0;
      await api.get('/', { resilience }).catch(() => undefined);
      return attempts.length;
    };
    api.defaults.resilience = { retry: 4 };
    expect(await attemptsOf({})).toBe(5);
    expect(await attemptsOf({ retry: { budget: false } })).toBe(2);
    expect(await attemptsOf({ retry: undefined })).toBe(2);
    api.defaults.resilience = { retry: { retries: 4 } };
    expect(await attemptsOf({ retry: { budget: false } })).toBe(5);
  });

  test('fallback: the data of the request, that of the function, and none for a 404', async () => {
    const answers: unknown[] = [];
    api.interceptors.response.use((response) => {
      answers.push([response.data, reportOf(response)?.fallback]);
      return response;
    });
    server.script(503, 503, 503, 503, 404, 503, 503);
    await run('Fallback', { given: { cache: { get: (url: string) => `kept ${url}` } } });
    await expect(api.get('/gone')).rejects.toMatchObject({ response: { status: 404 } });
    await api.get('/users', { params: { page: 2 } });
    await expect(api.delete('/users')).rejects.toMatchObject({ response: { status: 503 } });
    expect(answers).toEqual([
      [{ items: [] }, true],
      [`kept ${server.url}/users?page=2`, true],
    ]);
  });

  test('metrics: /metrics of an Express app shows the attempts of a call', async () => {
    promClient.register.clear();
    const app = express();
    await run('Metrics and tracing', { given: { app } });
    await api.get('/users/42');
    const listening = app.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const { port } = listening.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    listening.close();
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/);
    expect((await response.text()).split('\n')).toContain(
      `axios_resilience_circuit_calls_total{key="GET ${server.url}",outcome="success"} 1`,
    );
    promClient.register.clear();
  });

  test('metrics: the provider that is registered is told of the attempts of a call', async () => {
    const { provider, collect } = exportToMemory();
    openTelemetry.metrics.setGlobalMeterProvider(provider);
    await run('Metrics and tracing', {}, 1);
    await api.get('/users/42');
    const calls = (await collect()).get('axios.resilience.circuit.calls');
    openTelemetry.metrics.disable();
    expect(calls?.dataPoints.map(({ value }) => value)).toEqual([1, 0, 0, 0, 0]);
  });

  test('tracing: the hook is the one that is tried on the real instrumentation', () => {
    const hook = /^ {2}startOutgoingSpanHook[\s\S]*?^ {2}},$/m.exec(block('Metrics and tracing', 2).code)?.[0];
    expect(hook).toContain('http.request.resend_count');
    expect(readFileSync(join(root, 'tests/opentelemetry/traced-process.ts'), 'utf8')).toContain(hook);
  });

  test('errors: the block tells what happened', async () => {
    const { lines, console } = recordingConsole();
    const { breakers } = attach(api, { clock: { now: () => 0 } });
    breakers.ensure(`GET ${server.url}`).trip({ cooldownMs: 10_000 });
    await run('Errors', { given: { console } });
    expect(lines).toEqual([`GET ${server.url} lets nothing pass, ask again in 10000 ms`, 'circuit-open ']);
    expect(asked()).toEqual([]);
  });

  test('token refresh: a 401 is answered with a new token, once, whatever the method', async () => {
    const refresh = vi.fn(async () => 'fresh');
    api.defaults.headers.common.Authorization = 'Bearer stale';
    server.script(unless('authorization', 'Bearer fresh', 401));
    await run('How do I refresh a token?', { given: { tokens: { refresh } } });
    expect((await api.post('/orders', {})).status).toBe(200);
    expect(refresh).toHaveBeenCalledTimes(1);
    server.script(401);
    await expect(api.get('/users/42')).rejects.toMatchObject({ response: { status: 401 } });
    expect(refresh).toHaveBeenCalledTimes(2);
    expect(server.requests).toHaveLength(4);
  });

  test('signed requests: each attempt has a signature of its own', async () => {
    let signatures = 0;
    const signer = { headersFor: async () => ({ 'X-Signature': String(++signatures) }) };
    server.script(503, 503, 200);
    await run('How do I sign requests (SigV4, DPoP)?', { given: { signer } });
    await api.get('/users/42');
    expect(server.requests.map(({ headers }) => headers['x-signature'])).toEqual(['1', '2', '3']);
  });

  test('POST: each attempt has the same key', async () => {
    attach(api);
    server.script(503, 200);
    await run('How do I retry a POST?');
    const keys = server.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([expect.any(String), keys[0]]);
  });

  test('one circuit breaker per host: the keys are origins, and instances share them', async () => {
    const created: AxiosInstance[] = [];
    const create = (config: AxiosRequestConfig) => created[created.push(axios.create(config)) - 1];
    const { registry } = await run('How do I get one circuit breaker per host?', {
      modules: { axios: { default: { create } } },
      wanted: ['registry'],
    });
    for (const instance of created) await instance.get('/');
    await api.post('/');
    expect([...(registry as BreakerRegistry)].map(({ key }) => key)).toEqual([server.url]);
    expect(asked()).toEqual(['GET /users/', 'GET /orders/', 'POST /']);
  });

  test('an incident: retries go off, a circuit opens by hand, and all comes back', async () => {
    const resilience = attach(api, { retry: { retries: 1, backoff: () => 0 } });
    server.script(200, 503);
    await api.get('/');
    await run('How do I turn retries off during an incident?', { given: { resilience } });
    const breaker = resilience.breakers.get(`GET ${server.url}`);
    expect(breaker).toMatchObject({ state: 'open', mode: 'enforce' });
    expect(breaker?.stats().remainingCooldownMs).toBeGreaterThan(50_000);
    breaker?.reset();
    const error: unknown = await api.get('/').catch((thrown: unknown) => thrown);
    expect(reportOf(error)).toMatchObject({ attempts: 2, stopped: 'exhausted' });
  });

  test('a stream that is opened again is sent again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'axios-resilience-'));
    const file = join(folder, 'backup');
    await writeFile(file, 'kept');
    attach(api);
    server.script(503, 200);
    await run('How do I retry an upload from a stream?', { given: { file } });
    await rm(folder, { recursive: true });
    expect(server.requests.map(({ body }) => body.toString())).toEqual(['kept', 'kept']);
  });

  test('the test of a user passes', async () => {
    const bodies: (() => Promise<void>)[] = [];
    const defined = (_name: string, body: () => Promise<void>) => void bodies.push(body);
    attach(api);
    await run('How do I test code that uses it?', { modules: { vitest: { test: defined } } });
    expect(bodies).toHaveLength(1);
    await bodies[0]?.();
  });

  test('NestJS: the filter adds Retry-After to the 503', async () => {
    const { RejectionFilter } = await run('How does my NestJS service answer 503 with Retry-After?');
    const { breakers } = attach(api);
    breakers.ensure(`GET ${server.url}`).trip({ cooldownMs: 10_000 });

    class Application {
      show(): Promise<unknown> {
        return api.get('/users/42');
      }
    }
    nestCommon.Controller()(Application);
    nestCommon.Get('users')(
      Application.prototype,
      'show',
      Object.getOwnPropertyDescriptor(Application.prototype, 'show') ?? {},
    );
    class Root {
      readonly controller = Application;
    }
    nestCommon.Module({ controllers: [Application] })(Root);
    nestCommon.Logger.overrideLogger(false);
    const app = await nestCore.NestFactory.create(Root);
    app.useGlobalFilters(new RejectionFilter(app.getHttpAdapter()));
    await app.listen(0, '127.0.0.1');
    try {
      const response = await fetch(`${await app.getUrl()}/users`);
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '10']);
    } finally {
      await app.close();
    }
  });

  test('choosing a detector: the configurations trip as their names say', async () => {
    const wanted = ['threeInARow', 'fiveInAMinute', 'halfOfTheLastTen', 'both', 'either'];
    const made = await run('Choosing a detector', { wanted });
    /** When it trips: F a failure, S a success, one a second. */
    const tripsAt = (name: string, outcomes: string, everyMs = 1_000): number => {
      const detector = (made[name] as DetectorFactory)();
      return outcomes
        .split('')
        .findIndex((outcome, index) => detector.record(outcome === 'F' ? 'failure' : 'success', index * everyMs, 1));
    };
    expect(tripsAt('threeInARow', 'FFSFFF')).toBe(5);
    expect(tripsAt('fiveInAMinute', 'FSSFSSFSSFSSF')).toBe(12);
    expect(tripsAt('fiveInAMinute', 'FFFFFFFF', 20_000)).toBe(-1);
    expect(tripsAt('halfOfTheLastTen', 'FFFF')).toBe(-1);
    expect(tripsAt('halfOfTheLastTen', 'SFSFSF')).toBe(5);
    expect(tripsAt('both', 'FSSFSSFSSFSSF')).toBe(-1);
    expect(tripsAt('both', 'SFSFSFSFSF')).toBe(9);
    expect(tripsAt('either', 'SSSFFF')).toBe(5);
    expect(tripsAt('either', 'FSFSF')).toBe(4);
  });

  test('choosing a detector: the moving average opens the circuit at the seventh failure in a row', async () => {
    await run('Choosing a detector', {}, 1);
    server.script(503);
    const call = () => api.get('/', { resilience: { retry: false } }).catch((thrown: unknown) => thrown);
    for (let count = 0; count < 9; count++) await call();
    expect(asked()).toHaveLength(7);
    expect(library.isRejectedError(await call())).toBe(true);
  });

  test('cooldown and probes: opens at a Retry-After, waits for it, and closes at the eighth of ten probes', async () => {
    vi.useFakeTimers();
    const timeouts: unknown[] = [];
    const statuses = [429, 503, 503, ...Array<number>(8).fill(200)];
    const adapter: AxiosAdapter = async (config) => {
      const status = statuses.shift() ?? 200;
      timeouts.push(config.timeout);
      const headers = status === 429 ? { 'retry-after': '30' } : {};
      const response = { data: '', status, statusText: '', headers, config };
      if (status < 400) return response;
      throw new AxiosError(`status ${status}`, 'ERR_BAD_RESPONSE', config, {}, response);
    };
    const guarded = axios.create({ baseURL: 'https://api.example.com', timeout: 5_000, adapter });
    await run('Cooldown and probes', { given: { api: guarded } });
    const call = async () => {
      const error: unknown = await guarded
        .get('/', { resilience: { retry: false } })
        .catch((thrown: unknown) => thrown);
      return library.isRejectedError(error) ? error.retryAfterMs : 'let through';
    };
    expect([await call(), await call()]).toEqual(['let through', 30_000]);
    vi.advanceTimersByTime(30_000);
    const probes = await Promise.all(Array.from({ length: 12 }, call));
    expect(probes.filter((answer) => answer === 'let through')).toHaveLength(10);
    expect([await call(), timeouts.length]).toEqual(['let through', 12]);
    expect(timeouts).toEqual([5_000, ...Array<number>(10).fill(1_000), 5_000]);
  });

  test('control by hand: the circuit changes as the comments say', async () => {
    const resilience = attach(api);
    const key = 'GET https://api.example.com';
    const changes: string[] = [];
    resilience.on('stateChange', ({ from, to, reason }) => changes.push(`${from} -> ${to} (${reason})`));
    await execute(block('Control by hand'), { given: { resilience } });
    expect(changes).toEqual([
      'closed -> open (manual)',
      'open -> closed (manual)',
      'closed -> open (manual)',
      'open -> closed (manual)',
    ]);
    expect(resilience.breakers.get(key)).toMatchObject({ state: 'closed', mode: 'observe' });
  });

  test('circuits are kept across a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'axios-resilience-'));
    const handlers: Record<string, () => void> = {};
    const process = { once: (signal: string, handler: () => void) => Object.assign(handlers, { [signal]: handler }) };
    const start = async () => {
      const resilience = attach(axios.create());
      const given = { resilience, file: join(folder, 'circuits.json'), process };
      await run('How do I keep circuits across a restart?', { given });
      return resilience.breakers;
    };
    const before = await start();
    expect(before.size).toBe(0);
    before.ensure('GET https://api.example.com').trip({ cooldownMs: 10_000 });
    handlers['SIGTERM']?.();
    const after = (await start()).get('GET https://api.example.com');
    await rm(folder, { recursive: true });
    expect(after?.state).toBe('open');
    expect(after?.stats().remainingCooldownMs).toBeGreaterThan(5_000);
  });

  test('what is not axios is guarded and retried', async () => {
    const sent: unknown[] = [];
    const send = vi.fn(async (message: unknown) => void sent.push(message));
    send.mockImplementationOnce(async (message) => void sent.push(message)).mockRejectedValueOnce(new Error('busy'));
    const { breaker } = await run('What is not axios', { given: { queue: { send } }, wanted: ['breaker'] });
    expect(sent).toEqual([{ item: 7 }, { item: 8 }]);
    expect(send).toHaveBeenCalledTimes(3);
    expect(breaker.stats()).toMatchObject({ state: 'closed', counts: { success: 2, failure: 1 } });
  });
});
