import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const BENCH = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(dirname(BENCH), 'dist');

/**
 * Compiles a script to plain JavaScript, since tsx would wrap each function of ours and none of axios's. What is published
 * stays as it is, and packages are found from the benchmarks' folder.
 */
export async function compiled(script: URL): Promise<string> {
  const source = fileURLToPath(script);
  const outfile = join(BENCH, 'reports', basename(dirname(source)), basename(source).replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'esnext',
    plugins: [
      {
        name: 'what is published',
        setup: ({ onResolve }) =>
          onResolve({ filter: /\/dist\/\w+\.js$/ }, ({ path }) => ({
            path: pathToFileURL(join(DIST, basename(path))).href,
            external: true,
          })),
      },
    ],
  });
  return outfile;
}
