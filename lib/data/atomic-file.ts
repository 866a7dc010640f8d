import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GradfoldError } from '../errors.ts';

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
    const temporary = temporaryPath(path);
    const handle = await open(temporary, 'wx+').catch((error) => {
      throw ioError('write', path, error);
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
    throw ioError('write', path, error);
  }
}

/** A hidden name in the same directory, so that the final rename never crosses file systems. */
function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
}

/** A rename is durable only once its directory is flushed; systems that cannot open a directory do that themselves. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

/** All of `bytes`, also where the system takes less than asked for in one call. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

const REASONS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would exceed the largest size allowed',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
};

/** A system error as one that names the path and says what happened; anything else is returned as it came. */
export function ioError(action: 'read' | 'write', path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof GradfoldError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const missing = action === 'read' && code === 'ENOENT';
  const reason = REASONS[code] ?? error.message;
  return new GradfoldError(missing ? 'NOT_FOUND' : 'IO', `cannot ${action} ${path}: ${reason} (${code})`, {
    cause: error,
  });
}
