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
  const add = (specifier: ts.Node | undefined) => {
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      imports.push({ from: file, to: resolve(file, specifier.text) });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
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
  /^index\.ts$/,
  /^attach\.ts$|^redis\//,
  /^fleet\//,
  /^interceptors\/|^axios-augmentation\.ts$/,
  /^options\.ts$/,
  /^circuit\/|^retry\/|^sinks\//,
  /^(?:errors|events|clock|emitter|validation)\.ts$/,
];

const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.test(file));
const folderOf = (file: string): string => (file.includes('/') ? dirname(file) : '');

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

test('circuit/, retry/ and sinks/ import neither one another nor axios', () => {
  const folders = ['circuit', 'retry', 'sinks'];
  const found = imports.filter(({ from, to }) => {
    const isForeign = folders.includes(folderOf(to)) && folderOf(to) !== folderOf(from);
    return folders.includes(folderOf(from)) && (isForeign || to === 'axios');
  });
  expect(new Set(files.map(folderOf))).toEqual(new Set(['', 'interceptors', 'fleet', 'redis', ...folders]));
  expect(arrows(found)).toEqual([]);
});

test('sinks are imported by index alone', () => {
  const found = ours.filter(({ from, to }) => folderOf(to) === 'sinks' && folderOf(from) !== 'sinks');
  expect(new Set(found.map(({ from }) => from))).toEqual(new Set(['index.ts']));
});

test('the interceptors do not import one another', () => {
  const interceptors = ['request', 'retry'].map((name) => `interceptors/${name}.ts`);
  expect(files).toEqual(expect.arrayContaining(interceptors));
  expect(arrows(ours.filter(({ from, to }) => interceptors.includes(from) && interceptors.includes(to)))).toEqual([]);
});

test('nothing but axios is imported from outside, and by redis/ what Node brings', () => {
  const packages = imports.filter(({ to }) => !sources.has(to));
  const isOf = (folder: string) => (found: Import) => folderOf(found.from) === folder;
  expect(new Set(packages.filter(isOf('redis')).map(({ to }) => to))).toEqual(new Set(['node:crypto']));
  expect(new Set(packages.filter((found) => !isOf('redis')(found)).map(({ to }) => to))).toEqual(new Set(['axios']));
});

test('only index pulls in what shares circuits, so that attach alone does not', () => {
  const found = ours.filter(({ from, to }) => /^(fleet|redis)\//.test(to) && !/^(fleet|redis)\//.test(from));
  expect(new Set(found.map(({ from }) => from))).toEqual(new Set(['index.ts']));
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
  expect(found).toEqual(['index.ts', 'redis/index.ts']);
});
