import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const SOURCE = fileURLToPath(new URL('../src', import.meta.url));

/** One `import`, `export ... from` or `import()`, of values or types. */
interface Import {
  readonly from: string;
  /** A file of ours by its path in src, or the name of a package. */
  readonly to: string;
  /** Whether nothing of it is left at run time. */
  readonly isType: boolean;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'))
  .sort();

const sources = new Map(
  files.map((file) => [
    file,
    ts.createSourceFile(file, readFileSync(join(SOURCE, file), 'utf8'), ts.ScriptTarget.Latest, true),
  ]),
);

function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const path = relative(SOURCE, join(SOURCE, dirname(from), specifier)).replaceAll('\\', '/');
  return path.replace(/\.js$/, '.ts');
}

function importsOf(file: string, source: ts.SourceFile): Import[] {
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined, isType: boolean) => {
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      imports.push({ from: file, to: resolve(file, specifier.text), isType });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

const imports = [...sources].flatMap(([file, source]) => importsOf(file, source));
const ours = imports.filter(({ to }) => sources.has(to));
const arrows = (found: readonly Import[]) => found.map(({ from, to }) => `${from} -> ${to}`);

/**
 * From the top to the bottom; a file imports from its own layer or from those below. `axios-augmentation.ts` adds our options to
 * axios's types.
 */
const LAYERS: readonly RegExp[] = [
  /^index\.ts$|^prometheus\/|^opentelemetry\//,
  /^attach\.ts$|^redis\/|^store\//,
  /^fleet\//,
  /^interceptors\/retry\//,
  /^interceptors\/conclusion\//,
  /^interceptors\/attempt\//,
  /^interceptors\/call\/|^axios-augmentation\.ts$/,
  /^interceptors\/time\//,
  /^interceptors\/config\//,
  /^interceptors\/outcome\//,
  /^(?:contexts|defaults|options)\.ts$/,
  /^circuit\/|^retry\/|^limiter\/|^sinks\/|^metrics\//,
  /^(?:abort|errors|events|clock|delay|emitter|fields|near-name|out-of-time|recent|redaction|retry-after|validation)\.ts$/,
];

/** Each is a folder and an export of the package. */
const SUB_PATHS: readonly string[] = ['opentelemetry', 'prometheus', 'redis', 'store'];
const METRICS: readonly string[] = ['opentelemetry', 'prometheus'];

const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.test(file));
const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : '');

test('no file is longer than 300 lines', () => {
  const long = files.filter((file) => readFileSync(join(SOURCE, file), 'utf8').split('\n').length - 1 > 300);
  expect(long).toEqual([]);
});

test('every import leads to a file of ours or to a package', () => {
  expect(files).toContain('index.ts');
  expect(imports.length).toBeGreaterThan(files.length);
  const lost = imports.filter(({ to }) => to.endsWith('.ts') && !sources.has(to));
  expect(arrows(lost)).toEqual([]);
});

test('every file has its layer', () => {
  expect(files.filter((file) => layerOf(file) === -1)).toEqual([]);
});

test('imports run downward only, types too', () => {
  expect(arrows(ours.filter(({ from, to }) => layerOf(to) < layerOf(from)))).toEqual([]);
});

test('circuit/, retry/, limiter/, sinks/ and metrics/ import neither one another nor axios', () => {
  const folders = ['circuit', 'retry', 'limiter', 'sinks', 'metrics'];
  const found = imports.filter(({ from, to }) => {
    const isForeign = folders.includes(folderOf(to)) && folderOf(to) !== folderOf(from);
    return folders.includes(folderOf(from)) && (isForeign || to === 'axios');
  });
  expect(new Set(files.map(folderOf))).toEqual(new Set(['', 'interceptors', 'fleet', ...folders, ...SUB_PATHS]));
  expect(arrows(found)).toEqual([]);
});

test('sinks are imported by index alone', () => {
  const found = ours.filter(({ from, to }) => folderOf(to) === 'sinks' && folderOf(from) !== 'sinks');
  expect(new Set(found.map(({ from }) => from))).toEqual(new Set(['index.ts']));
});

test('what runs at the begin and at the end of a call do not import one another', () => {
  const interceptors = ['interceptors/call/capture.ts', 'interceptors/retry/answer.ts'];
  expect(files).toEqual(expect.arrayContaining(interceptors));
  expect(arrows(ours.filter(({ from, to }) => interceptors.includes(from) && interceptors.includes(to)))).toEqual([]);
});

test('only a sub-path pulls in what shares circuits, so that the main entry does not', () => {
  const found = ours.filter(({ from, to }) => /^(fleet|redis)\//.test(to) && !/^(fleet|redis)\//.test(from));
  expect(new Set(found.map(({ from }) => from))).toEqual(new Set(['store/index.ts']));
});

test('a sub-path for metrics imports nothing of ours but metrics/, validation and types of events', () => {
  for (const folder of METRICS) {
    const found = ours.filter(({ from, to }) => folderOf(from) === folder && folderOf(to) !== folder);
    const expected = ['events.ts', 'metrics/instruments.ts', 'metrics/measuring.ts', 'validation.ts'];
    expect([...new Set(found.map(({ to }) => to))].sort()).toEqual(expected);
  }
});

test('metrics/ is imported by the sub-paths alone, and imports types of events only', () => {
  const importers = ours.filter(({ from, to }) => folderOf(to) === 'metrics' && folderOf(from) !== 'metrics');
  expect(new Set(importers.map(({ from }) => folderOf(from)))).toEqual(new Set(METRICS));
  const imported = ours.filter(({ from, to }) => folderOf(from) === 'metrics' && folderOf(to) !== 'metrics');
  expect(new Set(imported.map(({ to }) => to))).toEqual(new Set(['events.ts']));
});

test('of the packages outside axios alone is needed at run time, and by redis/ what Node brings; the modules of the sub-paths are types', () => {
  const outside = imports.filter(({ to }) => !sources.has(to));
  const packages = ['axios', '@opentelemetry/api', 'prom-client', 'node:crypto', 'node:os'];
  expect(new Set(outside.map(({ to }) => to))).toEqual(new Set(packages));
  for (const { from, to } of outside) if (to !== 'axios') expect(SUB_PATHS).toContain(folderOf(from));
  const needed = outside.filter(({ isType }) => !isType);
  expect(new Set(needed.map(({ to }) => to))).toEqual(new Set(['axios', 'node:crypto', 'node:os']));
  expect(new Set(needed.filter(({ to }) => to !== 'axios').map(({ from }) => folderOf(from)))).toEqual(
    new Set(['redis']),
  );
});

test('there is no cycle, types included', () => {
  const next = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const { from, to } of ours) next.get(from)?.push(to);
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (path.includes(file) || done.has(file)) return;
    for (const to of next.get(file) ?? []) walk(to, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(cycles).toEqual([]);
});

test('there is no `export *` and no default export', () => {
  const found = [...sources].flatMap(([file, source]) =>
    source.statements
      .filter(
        (statement) =>
          ts.isExportAssignment(statement) ||
          (ts.isExportDeclaration(statement) &&
            (!statement.exportClause || ts.isNamespaceExport(statement.exportClause))) ||
          (ts.canHaveModifiers(statement) &&
            ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)),
      )
      .map((statement) => `${file}: ${statement.getText(source).split('\n')[0]}`),
  );
  expect(found).toEqual([]);
});

test('only the index of a sub-path re-exports', () => {
  const found = [...sources].flatMap(([file, source]) =>
    source.statements.some((statement) => ts.isExportDeclaration(statement) && statement.moduleSpecifier) ? [file] : [],
  );
  expect(found).toEqual(['index.ts', 'redis/index.ts', 'store/index.ts']);
});

test('every file that docs/architecture.md names is there, by its whole path', () => {
  const page = readFileSync(fileURLToPath(new URL('../docs/architecture.md', import.meta.url)), 'utf8');
  const named = [...page.matchAll(/(?<![\w./-])((?:[a-z-]+\/)*[a-z-]+\.ts)\b(?! beside it)/g)].map(
    ([, path]) => path ?? '',
  );
  const lost = named.filter((path) => !path.startsWith('tests/') && !files.includes(path));
  expect(named.length).toBeGreaterThan(20);
  expect(lost).toEqual([]);
});
