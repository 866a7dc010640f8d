import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from './files.ts';

/**
 * A file that either appears whole under its name or not at all: it is filled under a temporary name in the same
 * directory, and `commit` flushes it to disk and renames it. What stood under the name before stays until then.
 */
export class AtomicFile {
  readonly path: string;
  readonly temporary: string;
  readonly handle: FileHandle;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.path = path;
    this.temporary = temporary;
    this.handle = handle;
  }

  static async create(path: string): Promise<AtomicFile> {
    const temporary = temporaryName(path);
    const handle = await open(temporary, 'wx+').catch((error) => {
      throw fileError('write', path, error);
    });
    return new AtomicFile(path, temporary, handle);
  }

  async commit(): Promise<void> {
    await this.handle.sync();
    await this.handle.close();
    await rename(this.temporary, this.path);
    await syncDirectory(dirname(this.path));
  }

  /** Removes what was written; never throws. */
  async discard(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(this.temporary, { force: true }).catch(() => undefined);
  }
}

/**
 * Fills an AtomicFile and commits it, or discards it when anything fails. System errors (disk full, no permission)
 * become a GradfoldError with code IO that names the path; other errors pass through as they are.
 */
export async function writeAtomically<T>(path: string, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const file = await AtomicFile.create(path);
  try {
    const result = await write(file.handle);
    await file.commit();
    return result;
  } catch (error) {
    await file.discard();
    throw fileError('write', path, error);
  }
}

/**
 * Removes what killed processes left of files and folders they were writing: in a folder and below, or of `file` alone beside it. Not
 * while anyone writes there.
 * @returns the names of all files that were there
 */
export async function removeTemporary(folder: string, file?: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: file === undefined });
  const start = file === undefined ? '' : `.${file}.`;
  const left = names.filter((name) => name.startsWith(start) && name.endsWith('.tmp'));
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
  return names;
}

/** Writes a small text file whole or not at all. */
export function writeTextAtomically(path: string, text: string): Promise<void> {
  return writeAtomically(path, (handle) => handle.writeFile(text));
}

/** A hidden name in the same directory, so that the final rename never crosses file systems. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
}

/** A rename is durable only once its directory is flushed; systems that cannot open a directory do that themselves. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

/** Bytes of one write at most: Node refuses 2 GiB. */
const MOST_WRITTEN = 1 << 30;

/** All of `bytes`, also where the system takes less than asked for in one call. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, MOST_WRITTEN));
    done += bytesWritten;
  }
}
