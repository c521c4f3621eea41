import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rollup } from 'rollup';
import { loadConfigFile } from 'rollup/loadConfigFile';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Builds from the sources, packs as `npm publish` would, and installs the tarball in `modules`, beside these packages. */
export async function packInto(folder: string, modules: string, peers: readonly string[]): Promise<void> {
  const staged = join(folder, 'package');
  await mkdir(join(modules, 'axios-resilience'), { recursive: true });
  await mkdir(join(staged, 'dist'), { recursive: true });
  await writeFile(join(staged, 'dist/of-a-former-build.js'), '');
  await build(join(staged, 'dist'));
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'])
    await cp(join(root, file), join(staged, file));
  await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: staged });
  const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', join(modules, 'axios-resilience')]);
  for (const peer of peers) {
    await mkdir(join(modules, peer, '..'), { recursive: true });
    await symlink(join(root, 'node_modules', peer), join(modules, peer), 'dir');
  }
}

async function build(dist: string): Promise<void> {
  const { options } = await loadConfigFile(join(root, 'rollup.config.mjs'), { silent: true });
  await Promise.all(
    options.map(async ({ output, ...input }) => {
      const bundle = await rollup({ ...input, onwarn: () => undefined });
      for (const target of output) await bundle.write({ ...target, dir: dist });
      await bundle.close();
    }),
  );
}
