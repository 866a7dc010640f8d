import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { invalid } from './check.ts';
import { GradfoldError, type ErrorCode } from './errors.ts';

const FILE_ERRORS: Record<string, [code: ErrorCode, meaning: string]> = {
  ENOENT: ['NOT_FOUND', 'there is no such file or directory'],
  EISDIR: ['INVALID_ARGUMENT', 'it is a directory'],
  ENOTDIR: ['NOT_FOUND', 'a part of the path is not a directory'],
  EACCES: ['IO', 'permission denied'],
  EROFS: ['IO', 'the file system is read-only'],
  EEXIST: ['IO', 'a file of that name is in the way'],
  ENOSPC: ['IO', 'the disk is full'],
};

/** An error of the file system as a GradfoldError that names the file; other errors pass through unchanged. */
export function fileError(action: string, path: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'syscall' in cause && 'code' in cause ? String(cause.code) : undefined;
  if (code === undefined) return cause;
  const [kind, meaning] = FILE_ERRORS[code] ?? ['IO', code];
  return new GradfoldError(kind, `cannot ${action} ${path}: ${meaning}`, { cause });
}

/**
 * Replaces a file as one step: `write` fills a temporary file beside it, which is synced and renamed over `path`. When
 * anything fails the old file is untouched and the temporary one removed.
 * @throws GradfoldError NOT_FOUND or IO naming the file.
 */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await writeBeside(temporaryName(path), path, write);
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

async function writeBeside(temporary: string, path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(temporary, 'wx');
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncDirectory(dirname(path));
}

/** A name beside `path` that no other writer uses. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}

/** Makes a rename in this directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A JSON file's object. */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fileError('read', path, cause);
  });
  return parseJsonObject(path, text);
}

/** @throws GradfoldError INVALID_FILE naming `what` when the text is not a JSON object. */
export function parseJsonObject(what: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(what, 'a JSON object', text, { code: 'INVALID_FILE', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(what, 'a JSON object', value, { code: 'INVALID_FILE' });
  }
  return value as Record<string, unknown>;
}
