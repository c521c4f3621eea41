import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderMermaidSVG } from 'beautiful-mermaid';
import { defineConfig } from 'vitepress';

const docs = fileURLToPath(new URL('..', import.meta.url));
const root = dirname(normalize(docs));
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const { repository, description } = read(join(root, 'package.json'));
const repositoryUrl = repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
const filesUrl = `${repositoryUrl}/blob/main/`;
const picturesUrl = filesUrl.replace('//github.com/', '//raw.githubusercontent.com/').replace('/blob/', '/');

/** In the order in which a user needs them. */
const GUIDE = [
  [
    'Start',
    [
      ['Overview', 'index'],
      ['Options', 'options'],
      ['Interceptors and order', 'interceptors'],
      ['Fallback', 'fallback'],
      ['Errors and events', 'errors-and-events'],
      ['Types', 'types'],
      ['Recipes', 'recipes'],
      ['Questions', 'faq'],
    ],
  ],
  [
    'How it works',
    [
      ['An outage, line by line', 'outage'],
      ['What counts as a failure', 'outcomes'],
      ['Choosing retries', 'choosing-retries'],
      ['Choosing a circuit', 'choosing-a-circuit'],
      ['The circuit breaker', 'circuit-breaker'],
      ['Waiting for a circuit', 'waiting'],
      ['Limiters', 'limiters'],
      ['In a fault', 'faults'],
      ['Guarantees', 'guarantees'],
    ],
  ],
  [
    'In your app',
    [
      ['Frameworks', 'frameworks'],
      ['Browsers', 'browsers'],
      ['With other libraries', 'with-other-libraries'],
      ['Testing', 'testing'],
      ['What is not axios', 'other-code'],
      ['Metrics, tracing, logs', 'metrics'],
      ['Circuits over Redis', 'fleet'],
      ['Operating a fleet', 'fleet-operations'],
      ['Security and memory', 'security'],
    ],
  ],
  [
    'Coming from',
    [
      ['axios-retry', 'coming-from-axios-retry'],
      ['retry-axios', 'coming-from-retry-axios'],
      ['opossum', 'coming-from-opossum'],
      ['cockatiel', 'coming-from-cockatiel'],
      ['Comparison', 'comparison'],
    ],
  ],
  [
    'About',
    [
      ['How it is built', 'architecture'],
      ['Changelog', 'changelog'],
    ],
  ],
];

const listed = GUIDE.flatMap(([, pages]) => pages.map(([, page]) => `${page}.md`)).sort();
const present = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .sort();
if (listed.join() !== present.join()) throw new Error(`The sidebar lists ${listed}, and docs/ has ${present}`);

const sidebar = GUIDE.map(([text, pages]) => ({
  text,
  items: pages.map(([title, page]) => ({ text: title, link: page === 'index' ? '/' : `/${page}` })),
}));
sidebar.push({
  text: 'API',
  items: [
    { text: 'axios-resilience', link: '/api/' },
    { text: 'axios-resilience/redis', link: '/api/redis' },
    { text: 'axios-resilience/store', link: '/api/store' },
    { text: 'axios-resilience/prometheus', link: '/api/prometheus/prometheus' },
    { text: 'axios-resilience/opentelemetry', link: '/api/opentelemetry/opentelemetry' },
  ],
});

/** As GitHub makes the anchors of headings, so that a link works there and here. */
const slugify = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

/** Where a link of a page leads on the site, if that has what it leads to. The readme names the files of the repository by their URL. */
function onSite(href, isChangelog) {
  const isFile = href.startsWith(filesUrl);
  if (!isFile && /^(#|\w+:)/.test(href)) return href;
  const [path, anchor] = href.replace(filesUrl, '').split('#');
  const target = normalize(join(isFile || isChangelog ? root : docs, path));
  if (!existsSync(target)) throw new Error(`Dead link to ${href}`);
  const suffix = anchor ? `#${anchor}` : '';
  if (target === join(root, 'README.md')) return `/${suffix}`;
  if (target === join(root, 'CHANGELOG.md')) return `/changelog${suffix}`;
  if (target.startsWith(docs)) return `/${target.slice(docs.length)}${suffix}`;
  return `${filesUrl}${target.slice(root.length + 1)}${suffix}`;
}

function rewriteLinks(markdown) {
  markdown.core.ruler.push('links-of-the-repository', ({ tokens, env }) => {
    if (env.relativePath?.startsWith('api/')) return;
    const isChangelog = env.relativePath === 'changelog.md';
    for (const { children } of tokens) {
      for (const token of children ?? []) {
        if (token.type === 'image') token.attrSet('src', token.attrGet('src').replace(picturesUrl, '../'));
        if (token.type === 'link_open') token.attrSet('href', onSite(token.attrGet('href'), isChangelog));
      }
    }
  });
}

/** Draws the diagrams, as GitHub does; what is fetched from elsewhere is left out. */
function drawDiagrams(markdown) {
  const fence = markdown.renderer.rules.fence;
  markdown.renderer.rules.fence = (tokens, index, ...rest) => {
    const { info, content } = tokens[index];
    if (info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
    const svg = renderMermaidSVG(content, { bg: '#fff', fg: '#222' }).replace(/@import url\([^)]*\);/g, '');
    return `<img alt="Diagram" src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`;
  };
}

export default defineConfig({
  title: 'axios-resilience',
  description,
  cleanUrls: true,
  lastUpdated: false,
  ignoreDeadLinks: false,
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    config: (markdown) => {
      rewriteLinks(markdown);
      drawDiagrams(markdown);
    },
  },
  themeConfig: {
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repositoryUrl }],
  },
});
