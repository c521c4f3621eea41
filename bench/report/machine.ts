import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import axios from 'axios';

const versionIn = (folder: string): string =>
  (JSON.parse(readFileSync(new URL(`${folder}package.json`, import.meta.url), 'utf8')) as { version: string }).version;

const PEERS = ['axios-retry', 'retry-axios', 'opossum', 'cockatiel'];

/** Where and on what it was measured. */
export function surroundings(): string {
  const [{ model } = { model: 'unknown' }] = cpus();
  const peers = PEERS.map((name) => `${name} ${versionIn(`../node_modules/${name}/`)}`);
  return [
    `- Machine: ${cpus().length} cores (${model.trim()}), ${process.platform} ${process.arch}, Node ${process.versions.node}`,
    `- Versions: axios-resilience ${versionIn('../../')}, axios ${axios.VERSION}, ${peers.join(', ')}`,
  ].join('\n');
}
