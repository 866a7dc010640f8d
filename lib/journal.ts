import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { writeFully } from './atomic-file.ts';
import { fileError } from './files.ts';

/** Before every entry: its length and the CRC-32 of its bytes, uint32 each, little-endian. */
const HEADER_BYTES = 8;

/**
 * A file that grows by whole entries, for progress that is saved too often to rewrite a state each time. A process that
 * is killed leaves a torn last entry at worst; opening the file again cuts that off and gives back the entries before.
 */
export class Journal {
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /**
   * Opens the journal, makes it where there is none, and reads what it holds.
   * @throws GradfoldError IO, NOT_FOUND (no such directory)
   */
  static async open(path: string): Promise<{ journal: Journal; entries: Buffer[] }> {
    const handle = await open(path, 'a+').catch((cause: unknown) => {
      throw fileError('write', path, cause);
    });
    try {
      const { entries, end } = parse(await handle.readFile());
      await handle.truncate(end);
      return { journal: new Journal(path, handle), entries };
    } catch (cause) {
      await handle.close();
      throw fileError('read', path, cause);
    }
  }

  /** Adds an entry; once this has resolved, the entry outlives the process. */
  async append(entry: Uint8Array): Promise<void> {
    const bytes = Buffer.allocUnsafe(HEADER_BYTES + entry.byteLength);
    bytes.writeUInt32LE(entry.byteLength, 0);
    bytes.writeUInt32LE(crc32(entry), 4);
    bytes.set(entry, HEADER_BYTES);
    try {
      await writeFully(this.#handle, bytes);
    } catch (cause) {
      throw fileError('write', this.#path, cause);
    }
  }

  /** Removes all entries. */
  async clear(): Promise<void> {
    await this.#handle.truncate(0);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function parse(bytes: Buffer): { entries: Buffer[]; end: number } {
  const entries: Buffer[] = [];
  let end = 0;
  while (end + HEADER_BYTES <= bytes.length) {
    const next = end + HEADER_BYTES + bytes.readUInt32LE(end);
    const entry = bytes.subarray(end + HEADER_BYTES, next);
    if (next > bytes.length || crc32(entry) !== bytes.readUInt32LE(end + 4)) break;
    entries.push(entry);
    end = next;
  }
  return { entries, end };
}

export function joinFloats(arrays: readonly Float64Array[]): Float64Array {
  const joined = new Float64Array(arrays.reduce((length, values) => length + values.length, 0));
  let end = 0;
  for (const values of arrays) {
    joined.set(values, end);
    end += values.length;
  }
  return joined;
}

/** Numbers as an entry's bytes, in the machine's order; a view. */
export function floatBytes({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The numbers of an entry, in an array of their own. */
export function floatsOf(entry: Uint8Array): Float64Array {
  return new Float64Array(Uint8Array.from(entry).buffer);
}
