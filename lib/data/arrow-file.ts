import { open, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:buffer';
import { AsyncByteQueue, RecordBatchFileWriter, tableFromIPC, type RecordBatch, type Table } from 'apache-arrow';
import { GradfoldError } from '../errors.ts';
import { writeFully } from '../atomic-file.ts';
import { fileError } from '../files.ts';

/** Every Arrow IPC file begins and ends with these bytes. */
const MAGIC = 'ARROW1';
const SMALLEST_FILE = 2 * MAGIC.length;

/**
 * Reads an Arrow IPC file whole; columns are views into the one buffer, nothing is copied. Errors: NOT_FOUND,
 * INVALID_FILE for a foreign or truncated file, UNSUPPORTED for one larger than a buffer may be.
 */
export async function readArrowFile(path: string): Promise<Table> {
  const bytes = await readWhole(path).catch((error) => {
    throw fileError('read', path, error);
  });
  const bad = (what: string, cause?: unknown) => new GradfoldError('INVALID_FILE', `${path}: ${what}`, { cause });
  const magicAt = (offset: number) => bytes.toString('latin1', offset, offset + MAGIC.length);
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

/** fs.readFile stops at 2 GiB; a buffer does not. */
async function readWhole(path: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size > constants.MAX_LENGTH) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `${path}: expected at most ${constants.MAX_LENGTH} bytes, got ${size}; split the corpus into several files`,
      );
    }
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
