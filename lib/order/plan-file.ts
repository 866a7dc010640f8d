import { AsyncByteQueue, Field, Float32, RecordBatchFileWriter, Schema, Uint32, type DataType } from 'apache-arrow';
import { AtomicFile } from '../atomic-file.ts';
import { numberBatch } from '../data/number-columns.ts';

/** Rows of one record batch, as in other files of numbers. */
const BATCH_ROWS = 1 << 20;

/** What the Arrow writer has produced and the file has not yet taken. */
class PendingChunks extends AsyncByteQueue {
  readonly chunks: Uint8Array[] = [];

  override write(chunk: Uint8Array): void {
    if (chunk.byteLength > 0) this.chunks.push(chunk);
  }
}

/** A column whose values come later: a batch of it stands for the bytes that the file leaves open. */
interface Hole {
  placeholder: Uint32Array;
  /** Where each batch's values go in the file. */
  offsets: number[];
}

/**
 * A plan file (see docs/formats.md) whose rows are written in any order. It is laid out at once, layers and weights
 * included, and appears under its name when it is committed. Memory holds one record batch.
 */
export class PlanFile {
  readonly #file: AtomicFile;
  readonly #rows: Hole;
  readonly #shards: Hole | undefined;
  #end = 0;

  private constructor(file: AtomicFile, rows: number, sharded: boolean) {
    this.#file = file;
    this.#rows = hole(rows);
    if (sharded) this.#shards = hole(rows);
  }

  /**
   * @param starts where each layer begins, and at last the number of rows: [layers + 1]
   * @param sharded whether there is a column `shard`.
   */
  static async create(
    path: string,
    starts: readonly number[],
    sharded: boolean,
    metadata: Record<string, string>,
  ): Promise<PlanFile> {
    const plan = new PlanFile(await AtomicFile.create(path), starts[starts.length - 1], sharded);
    try {
      await plan.#layOut(starts, metadata);
      return plan;
    } catch (error) {
      await plan.discard();
      throw error;
    }
  }

  /** Writes rows to the plan from `position` on; `shards` where the plan has that column. */
  async write(position: number, rows: Uint32Array, shards?: Uint32Array): Promise<void> {
    await this.#fill(this.#rows, position, rows);
    if (this.#shards) await this.#fill(this.#shards, position, shards!);
  }

  async commit(): Promise<void> {
    await this.#file.commit();
  }

  async discard(): Promise<void> {
    await this.#file.discard();
  }

  async #layOut(starts: readonly number[], metadata: Record<string, string>): Promise<void> {
    const field = (name: string, type: DataType) => new Field(name, type, false);
    const fields = [field('row', new Uint32()), field('layer', new Uint32()), field('weight', new Float32())];
    if (this.#shards) fields.push(field('shard', new Uint32()));
    const schema = new Schema(fields, new Map(Object.entries(metadata)));
    const pending = new PendingChunks();
    const writer = new RecordBatchFileWriter();
    writer.reset(pending);
    const rows = starts[starts.length - 1];
    const layers = new Uint32Array(this.#rows.placeholder.length);
    const weights = new Float32Array(layers.length).fill(1);
    // The first batch is written even when empty: it carries the schema.
    for (let begin = 0, layer = 0; begin === 0 || begin < rows; begin += BATCH_ROWS) {
      const length = Math.min(BATCH_ROWS, rows - begin);
      for (let at = 0; at < length;) {
        while (starts[layer + 1] <= begin + at) layer++;
        const end = Math.min(length, starts[layer + 1] - begin);
        layers.fill(layer, at, end);
        at = end;
      }
      const columns = [this.#rows.placeholder, layers, weights, ...(this.#shards ? [this.#shards.placeholder] : [])];
      const part = columns.map((values) => values.subarray(0, length));
      writer.write(numberBatch(schema, part));
      await this.#append(pending);
    }
    writer.finish();
    await this.#append(pending);
  }

  /** Writes what is pending, and passes over the columns whose values come later. */
  async #append(pending: PendingChunks): Promise<void> {
    for (const chunk of pending.chunks.splice(0)) {
      const open = [this.#rows, this.#shards].find((hole) => hole?.placeholder.buffer === chunk.buffer);
      if (open) open.offsets.push(this.#end);
      else await this.#writeAt(this.#end, chunk);
      this.#end += chunk.byteLength;
    }
  }

  async #fill({ offsets }: Hole, position: number, values: Uint32Array): Promise<void> {
    for (let done = 0; done < values.length;) {
      const place = position + done;
      const within = place % BATCH_ROWS;
      const part = values.subarray(done, done + BATCH_ROWS - within);
      const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      await this.#writeAt(offsets[Math.floor(place / BATCH_ROWS)] + within * part.BYTES_PER_ELEMENT, bytes);
      done += part.length;
    }
  }

  async #writeAt(position: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}

function hole(rows: number): Hole {
  return { placeholder: new Uint32Array(Math.min(rows, BATCH_ROWS)), offsets: [] };
}
