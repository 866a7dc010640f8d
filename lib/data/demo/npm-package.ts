import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { list } from 'tar';
import { GradfoldError } from '../../errors.ts';
import { runCommand } from './run-command.ts';

/** One version of an npm package, and the digest that its tarball must have. */
export interface PinnedPackage {
  name: string;
  version: string;
  /** 'sha512-' and the digest in base64, as `npm view NAME dist.integrity` prints it. */
  integrity: string;
}

/** The tarball of a package: from the cache, or fetched into it by `npm pack` (nothing is installed). */
export async function fetchPackage(
  pinned: PinnedPackage,
  cacheDir: string,
  options: { signal?: AbortSignal; onProgress?(message: string): void } = {},
): Promise<string> {
  const { name, version, integrity } = pinned;
  const spec = `${name}@${version}`;
  const tarball = join(cacheDir, `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`);
  if ((await integrityOf(tarball)) === integrity) return tarball;
  await mkdir(cacheDir, { recursive: true });
  options.onProgress?.(`fetching ${spec}`);
  await runCommand('npm', ['pack', spec, '--ignore-scripts', '--loglevel=error'], {
    cwd: cacheDir,
    purpose: `the package ${spec}`,
    signal: options.signal,
  });
  const found = await integrityOf(tarball);
  if (found !== integrity) {
    await rm(tarball, { force: true });
    throw new GradfoldError('INVALID_FILE', `${tarball}: expected the digest ${integrity}, got ${found ?? 'no file'}`);
  }
  return tarball;
}

async function integrityOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

/** The files of a tarball whose path matches, by path without the leading 'package/', in the order of paths. */
export async function readTarball(tarball: string, pattern: RegExp): Promise<[path: string, bytes: Buffer][]> {
  const files: [string, Promise<Buffer>][] = [];
  const inside = (path: string) => path.replace(/^package\//, '');
  await list({
    file: tarball,
    filter: (path) => pattern.test(inside(path)),
    onReadEntry: (entry) => files.push([inside(entry.path), entry.concat()]),
  });
  files.sort(([a], [b]) => (a < b ? -1 : 1));
  return Promise.all(files.map(async ([path, bytes]) => [path, await bytes] as [string, Buffer]));
}
