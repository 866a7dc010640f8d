import type { FileHandle } from 'node:fs/promises';
import { AsyncByteQueue, RecordBatchFileWriter, tableFromIPC, type RecordBatch, type Table } from 'apache-arrow';
import { GradfoldError } from '../errors.ts';
import { writeFully } from '../atomic-file.ts';
import { openBytes } from './file-bytes.ts';

/** Every Arrow IPC file begins and ends with these bytes. */
const MAGIC = 'ARROW1';
const SMALLEST_FILE = 2 * MAGIC.length;

/**
 * Opens an Arrow IPC file; columns are views into its bytes, nothing is copied. Where the file is mapped (see openBytes)
 * only what is looked at is read: the footer, the heads of its batches, and the dictionaries. Errors: NOT_FOUND,
 * INVALID_FILE for a foreign or truncated file, UNSUPPORTED for one larger than a buffer may be.
 */
export async function readArrowFile(path: string): Promise<Table> {
  const bytes = await openBytes(path);
  const bad = (what: string, cause?: unknown) => new GradfoldError('INVALID_FILE', `${path}: ${what}`, { cause });
  const magicAt = (offset: number) => Buffer.from(bytes.subarray(offset, offset + MAGIC.length)).toString('latin1');
  if (bytes.length < SMALLEST_FILE || magicAt(0) !== MAGIC)
    throw bad('expected an Arrow IPC file (one that begins with ARROW1); make one with `gradfold ingest`');
  if (magicAt(bytes.length - MAGIC.length) !== MAGIC)
    throw bad(`the Arrow file is truncated (${bytes.length} bytes, without its footer); write or copy it again`);
  try {
    return tableFromIPC(bytes);
  } catch (error) {
    throw bad(`the Arrow file cannot be read: ${(error as Error).message}`, error);
  }
}

/** What the Arrow writer has produced and the file has not yet taken. */
class PendingChunks extends AsyncByteQueue {
  readonly chunks: Uint8Array[] = [];

  override write(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }
}

/** Arrow IPC record batches written one by one, each flushed before the next is taken: memory holds one batch. */
export class ArrowFileWriter {
  readonly #handle: FileHandle;
  readonly #writer = new RecordBatchFileWriter();
  readonly #pending = new PendingChunks();
  #bytes = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
    this.#writer.reset(this.#pending);
  }

  /** Appends a batch. All batches of a file have one schema. */
  async write(batch: RecordBatch): Promise<void> {
    this.#writer.write(batch);
    await this.#flush();
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes the footer; returns the file's size in bytes. */
  async finish(): Promise<number> {
    this.#writer.finish();
    await this.#flush();
    return this.#bytes;
  }

  async #flush(): Promise<void> {
    for (const chunk of this.#pending.chunks.splice(0)) {
      await writeFully(this.#handle, chunk);
      this.#bytes += chunk.byteLength;
    }
  }
}
