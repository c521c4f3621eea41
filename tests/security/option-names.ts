import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const INTERFACE = /^(?:export )?interface \w+Options\b[\s\S]*?^\}/gm;

const interfacesOf = (file: string) => readFileSync(join(SRC, file), 'utf8').match(INTERFACE) ?? [];
const namesIn = (text: string) => Array.from(text.matchAll(/\b(\w+)\?:/g), ([, name = '']) => name);

/** Every name of an option that may be left out, wherever it stands, from the interfaces of src that end in `Options`. */
export const OPTION_NAMES: readonly string[] = [
  ...new Set(
    readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap(interfacesOf)
      .flatMap(namesIn),
  ),
];
