import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const docs = fileURLToPath(new URL('../docs', import.meta.url));
const root = dirname(docs);
const read = (path: string): string => readFileSync(path, 'utf8');

const pages = [
  ...readdirSync(docs)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(docs, name)),
  join(root, 'README.md'),
];

const { repository } = JSON.parse(read(join(root, 'package.json'))) as { repository: { url: string } };
const repositoryUrl = repository.url.replace(/^git\+|\.git$/g, '');
const filesUrl = `${repositoryUrl}/blob/main/`;
const picturesUrl = filesUrl.replace('//github.com/', '//raw.githubusercontent.com/').replace('/blob/', '/');

/** The file of ours that a link leads to; `undefined` where it leads elsewhere. */
function fileOf(link: string, page: string): string | undefined {
  const ours = [filesUrl, picturesUrl].find((url) => link.startsWith(url));
  if (ours !== undefined) return join(root, link.slice(ours.length));
  if (/^https?:/.test(link)) return undefined;
  return link === '' ? page : join(dirname(page), link);
}

const proseOf = (path: string): string => read(path).replace(/^```[\s\S]*?^```$/gm, '');

const linksOf = (path: string): string[] =>
  [...proseOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);

/** The anchors of a page, as GitHub makes them. */
const anchorsOf = (path: string): string[] =>
  [...proseOf(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );

test.each(pages.map((path) => [path.slice(root.length + 1), path]))(
  '%s links to files and headings that exist',
  (_name, path) => {
    const dead = linksOf(path).filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = fileOf(file, path);
      if (target === undefined) return link.startsWith(repositoryUrl) && !/\/(?:issues|releases)$/.test(link);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(dead).toEqual([]);
  },
);

test('the readme has absolute links alone, since npm shows it, too', () => {
  const links = linksOf(join(root, 'README.md'));
  expect(links.filter((link) => link.startsWith(filesUrl)).length).toBeGreaterThan(20);
  expect(links.filter((link) => link.startsWith(picturesUrl)).length).toBeGreaterThan(0);
  expect(links.filter((link) => !/^https:|^#/.test(link))).toEqual([]);
});

/** The literals of a union, from its source. */
function literalsOf(type: string): string[] {
  const source = read(join(root, 'src/events.ts'));
  const union = new RegExp(`export type ${type} =([^;]+);`).exec(source)?.[1] ?? '';
  return [...union.matchAll(/\| '([a-z-]+)'/g)].map(([, literal = '']) => literal);
}

/** The codes in the first column of the tables under a heading. */
function rowsUnder(page: string, heading: string): string[] {
  const [, section = ''] = read(join(docs, page)).split(`\n## ${heading}\n`);
  return [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code = '']) => code);
}

/** The types that a file exports. */
const typesOf = (file: string): string[] =>
  [...read(join(root, 'src', file)).matchAll(/export (type )?\{([^}]+)\}|export (?:interface|type) (\w+)/g)].flatMap(
    ([, isType, names = '', declared]) =>
      declared !== undefined
        ? [declared]
        : [...names.matchAll(/(type )?(\w+),?/g)]
            .filter(([, isTypeToo]) => isType !== undefined || isTypeToo !== undefined)
            .map(([, , name = '']) => name),
  );

test('the page on types names every type that the package exports, and no other', () => {
  const [main = '', subPaths = ''] = read(join(docs, 'types.md')).split('\n## Sub-paths\n');
  const namedIn = (text: string) =>
    [...text.matchAll(/^\| (`.+?`) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)])
      .map(([, name = '']) => name);
  expect(typesOf('index.ts').length).toBeGreaterThan(25);
  expect(namedIn(main).sort()).toEqual(typesOf('index.ts').sort());
  const ofOthers = ['opentelemetry/opentelemetry.ts', 'prometheus/prometheus.ts', 'redis/index.ts'].flatMap(typesOf);
  expect(namedIn(subPaths).sort()).toEqual([...ofOthers, 'SharedStoreOptions', 'StoreEngine'].sort());
});

test('the questions explain every reason why there was no further attempt', () => {
  const reasons = literalsOf('Stopped');
  expect(reasons.length).toBeGreaterThan(10);
  expect(rowsUnder('faq.md', 'Why was this not retried?').sort()).toEqual(reasons.sort());
});

test('the page on how it is built names every reason why there was no further attempt', () => {
  const [, section = ''] = read(join(docs, 'architecture.md')).split('\n## Why was it not retried?\n');
  const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (`[^|]+) \|/gm)].map(([, reasons = '']) => reasons);
  const named = rows.slice(1).flatMap((reasons) => [...reasons.matchAll(/`([a-z-]+)`/g)].map(([, reason]) => reason));
  expect([...new Set(named)].sort()).toEqual(literalsOf('Stopped').sort());
});

test('the questions explain every reason for which a circuit opens', () => {
  const reasons = literalsOf('TransitionReason').filter(
    (reason) => !['cooldown-elapsed', 'probe-succeeded', 'late-success'].includes(reason),
  );
  expect(reasons.length).toBeGreaterThan(5);
  expect(rowsUnder('faq.md', 'Why did the circuit open?').sort()).toEqual(reasons.sort());
});

test('the pages for those who come from elsewhere name the version that the tests run with', () => {
  for (const name of ['axios-retry', 'retry-axios', 'opossum', 'cockatiel']) {
    const { version } = JSON.parse(read(join(root, 'node_modules', name, 'package.json'))) as { version: string };
    expect(read(join(docs, `coming-from-${name}.md`))).toContain(`Checked against ${name} ${version}.`);
  }
});

test('the page on other libraries names the versions that the tests run with', () => {
  const { devDependencies } = JSON.parse(read(join(root, 'package.json'))) as {
    devDependencies: Record<string, string>;
  };
  const rows = read(join(docs, 'with-other-libraries.md')).match(/^\| .+ \| \d.+$/gm) ?? [];
  const names: Record<string, readonly string[]> = {
    'OpenTelemetry HTTP instrumentation': ['@opentelemetry/instrumentation-http'],
    Sentry: ['@sentry/node'],
  };
  expect(rows).toHaveLength(12);
  for (const row of rows) {
    const [, library = '', versions = ''] = row.split('|').map((cell) => cell.trim());
    const title = library.replace(/^\[(.+)\]\(.*\)$/, '$1');
    expect([title, versions]).toEqual([
      title,
      (names[title] ?? title.split(', ')).map((name) => devDependencies[name]).join(', '),
    ]);
  }
});
