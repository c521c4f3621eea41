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

export default [
  {
    input: entries,
    external,
    plugins: [esbuild({ target: 'es2022' })],
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
    plugins: [dts({ compilerOptions: { stripInternal: true } })],
    output: [
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: '[name].d.ts' },
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.cts', chunkFileNames: '[name].d.cts' },
    ],
  },
];
