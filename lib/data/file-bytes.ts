import { constants } from 'node:buffer';
import { open, stat } from 'node:fs/promises';
import { getSystemErrorName } from 'node:util';
import { loadAddon } from '../backend/addon.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';
import type { FileAddon } from './native.ts';

/**
 * A file's bytes: mapped by the addon, so that they are read when they are touched and belong to the page cache, or
 * read into memory where there is no addon. A mapping stays whole when the file is replaced by a rename or removed; a
 * file that is cut short in place while it is mapped ends the process when the lost bytes are touched.
 *
 * Errors: NOT_FOUND; IO; UNSUPPORTED for a file larger than a buffer may be.
 */
export async function openBytes(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.size > constants.MAX_LENGTH) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `${path}: expected at most ${constants.MAX_LENGTH} bytes, got ${found.size}; split the table into shards`,
      );
    }
    const mapFile = found.isFile() ? loadAddon()?.mapFile : undefined;
    return mapFile ? new Uint8Array(mapped(mapFile, path)) : await readWhole(path, found.size);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

function mapped(mapFile: FileAddon['mapFile'], path: string): ArrayBuffer {
  try {
    return mapFile(path, constants.MAX_LENGTH);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : Object.assign(error as Error, { code: getSystemErrorName(errno) });
  }
}

/** fs.readFile stops at 2 GiB; a buffer does not. */
async function readWhole(path: string, size: number): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(size);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await handle.read(bytes, done, Math.min(size - done, 1 << 30), done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await handle.close();
  }
}

/** Asks the system to read these elements of a mapped file soon, without waiting; does nothing for other memory. */
export function willNeed(array: Int32Array | Uint16Array | Uint8Array, begin: number, end: number): void {
  const { BYTES_PER_ELEMENT: size, buffer, byteOffset } = array;
  loadAddon()?.adviseWillNeed?.(buffer, byteOffset + begin * size, (end - begin) * size);
}
