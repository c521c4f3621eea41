import dts from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';

const entries = { index: 'src/index.ts', redis: 'src/redis/index.ts' };

const external = ['axios', 'node:crypto'];

export default [
  {
    input: entries,
    external,
    plugins: [esbuild({ target: 'es2022' })],
    output: [
      { dir: 'dist', format: 'es', sourcemap: true, entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
      {
        dir: 'dist',
        format: 'cjs',
        sourcemap: true,
        entryFileNames: '[name].cjs',
        chunkFileNames: '[name]-[hash].cjs',
      },
    ],
  },
  {
    input: entries,
    external,
    plugins: [dts({ compilerOptions: { stripInternal: true } })],
    output: [
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: '[name]-[hash].d.ts' },
      { dir: 'dist', format: 'es', entryFileNames: '[name].d.cts', chunkFileNames: '[name]-[hash].d.cts' },
    ],
  },
];
