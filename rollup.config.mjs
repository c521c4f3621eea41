import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import dts from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';

const entries = {
  index: 'src/index.ts',
  opentelemetry: 'src/opentelemetry/opentelemetry.ts',
  prometheus: 'src/prometheus/prometheus.ts',
  redis: 'src/redis/index.ts',
  store: 'src/store/index.ts',
};

const external = ['axios', '@opentelemetry/api', 'prom-client', 'node:crypto'];

/** By folder: the names that each output has written. */
const written = new Map();

/** Removes what former builds left, so that no package has it; at the end, since tests may be reading what stays. */
const tidying = {
  name: 'tidying',
  writeBundle({ dir }, bundle) {
    const lists = [...(written.get(dir) ?? []), Object.keys(bundle)];
    written.set(dir, lists);
    if (lists.length < 4) return;
    for (const name of readdirSync(dir)) {
      if (!lists.flat().includes(name)) rmSync(join(dir, name), { recursive: true });
    }
  },
};

export default [
  {
    input: entries,
    external,
    plugins: [esbuild({ target: 'es2022' }), tidying],
    output: [
      { dir: 'dist', format: 'es', entryFileNames: '[name].js', chunkFileNames: '[name].js' },
      {
        dir: 'dist',
        format: 'cjs',
        entryFileNames: '[name].cjs',
        chunkFileNames: '[name].cjs',
      },
    ],
  },
  {
    input: entries,
    external,
    plugins: [dts({ compilerOptions: { stripInternal: true } }), tidying],
    output: [
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: '[name].d.ts' },
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.cts', chunkFileNames: '[name].d.cts' },
    ],
  },
];
