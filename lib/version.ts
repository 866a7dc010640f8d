import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The version in gradfold's own package.json. */
export async function packageVersion(): Promise<string> {
  const path = fileURLToPath(new URL('../package.json', import.meta.url));
  return (JSON.parse(await readFile(path, 'utf8')) as { version: string }).version;
}
