import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** lib/ as JavaScript in a directory of its own, for tests that start processes of their own. */
export interface CompiledLibrary {
  directory: string;
  remove(): Promise<void>;
}

/** Compiles lib/ without checking types. The directory lies beside dist/, so that dependencies and the
 * addon are found. */
export async function compileLibrary(): Promise<CompiledLibrary> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const directory = await mkdtemp(join(root, '.test-library-'));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--noCheck', '--declaration', 'false', '--sourceMap', 'false', '--outDir', directory];
  await promisify(execFile)(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json'), ...options]);
  return { directory, remove: () => rm(directory, { recursive: true }) };
}
