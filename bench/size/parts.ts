import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { kilobytes } from '../report/numbers.js';
import type { Table } from '../report/section.js';

/** What `attach` consists of, by the paths below `src/`; the first that fits counts. */
const PARTS: readonly (readonly [string, RegExp])[] = [
  ['the circuit, its detectors and probes, control by hand, `execute`', /^circuit\/(?!waiting|options)/],
  ['waiting for a circuit', /^circuit\/waiting\/|^interceptors\/call\/waits/],
  [
    'the way of a call: placement, capture, attempts, dispatch, report',
    /^interceptors\/(call|attempt|config)\/(?!option|other-words|rehearsal)/,
  ],
  ['what an attempt says: outcomes, deadlines, sleep', /^interceptors\/(outcome|time)\/|^(out-of-time|abort)\./],
  ['retries: decision, backoff, budget, Retry-After', /^interceptors\/retry\/|^retry\/|^(delay|retry-after)\./],
  [
    'how a call ends: fallback, errors, events, no secrets in them; small helpers',
    /^interceptors\/conclusion\/|^(errors|emitter|redaction|fields|recent)\./,
  ],
  [
    'options: checks, messages, defaults',
    /option-rules|other-words|rehearsal|options\.ts$|^(validation|near-name|defaults|attach)\./,
  ],
];

/** The minified bytes of each part of `attach`. */
export async function partsOfAttach(): Promise<Table> {
  const source = fileURLToPath(new URL('../../src/', import.meta.url));
  const { metafile } = await build({
    stdin: { contents: `export { attach } from './index.ts';`, resolveDir: source },
    absWorkingDir: source,
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['axios'],
    metafile: true,
  });
  const bytes = new Map(PARTS.map(([part]) => [part, 0]));
  for (const [path, { bytesInOutput }] of Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs),
  )) {
    const part = PARTS.find(([, paths]) => paths.test(path))?.[0];
    if (part) bytes.set(part, (bytes.get(part) ?? 0) + bytesInOutput);
    else if (bytesInOutput > 100) throw new Error(`${path} is of no part`);
  }
  return {
    title: 'What `attach` consists of',
    head: ['', 'minified'],
    rows: [...bytes].map(([part, sum]) => [part, kilobytes(sum)]),
  };
}
