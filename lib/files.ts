import { readFile } from 'node:fs/promises';
import { invalid } from './check.ts';
import { GradfoldError, type ErrorCode } from './errors.ts';

const MEANINGS: Record<string, [meaning: string, code?: ErrorCode]> = {
  ENOSPC: ['the disk is full'],
  EDQUOT: ['the disk quota is used up'],
  EFBIG: ['the file would exceed the largest size allowed'],
  EACCES: ['no permission'],
  EPERM: ['no permission'],
  EROFS: ['the file system is read-only'],
  EEXIST: ['a file of that name is in the way'],
  ENOTEMPTY: ['a folder of that name is in the way'],
  ENOENT: ['there is no such file or directory', 'NOT_FOUND'],
  ENOTDIR: ['a part of the path is not a directory', 'NOT_FOUND'],
  EISDIR: ['it is a directory', 'INVALID_ARGUMENT'],
};

/** An error of the file system as a GradfoldError that names the path; other errors pass through unchanged. */
export function fileError(action: string, path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof GradfoldError) return cause;
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return cause;
  const [meaning, kind = 'IO'] = MEANINGS[code] ?? [cause.message];
  return new GradfoldError(kind, `cannot ${action} ${path}: ${meaning} (${code})`, { cause });
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
