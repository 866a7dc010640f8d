import { PackedFileWriter } from '../data/packed-file.ts';
import type { Split } from '../data/splits.ts';
import type { PackCounts } from './pack/counts.ts';
import { RowPacker, type PackOptions } from './pack/row-packer.ts';

/** What a packed row remembers of the document that a piece is of. */
export interface PieceSource {
  /** Row of the corpus. */
  document: number;
  domain: string;
  metadata: string | null;
}

interface Row {
  inputIds: Int32Array;
  labels: Int32Array;
}

/** A file of packed rows to train on, and of rows of single documents to evaluate on. */
export class PackedTableWriter {
  readonly #file: PackedFileWriter;
  readonly #packer: RowPacker<PieceSource>;

  private constructor(file: PackedFileWriter, options: PackOptions) {
    this.#file = file;
    // The file says that attention is to cross documents, and still where each begins.
    this.#packer = new RowPacker({ ...options, crossDocumentAttention: false });
  }

  /** @param options.corpus a digest of the corpus that the documents are of */
  static async create(path: string, options: PackOptions & { corpus?: string }): Promise<PackedTableWriter> {
    return new PackedTableWriter(await PackedFileWriter.create(path, options), options);
  }

  /** Of the rows to train on. */
  get counts(): PackCounts {
    return this.#packer.counts;
  }

  async train(row: Row, source: PieceSource): Promise<void> {
    for (const { documents, ...packed } of this.#packer.add(row, source)) {
      await this.#file.add({ ...packed, split: 'train', pieces: documents });
    }
  }

  async evaluate(row: Row, source: PieceSource, split: Split): Promise<void> {
    await this.#file.add({ ...row, documentIds: new Uint8Array(row.inputIds.length), split, pieces: [source] });
  }

  async commit(): Promise<void> {
    for (const { documents, ...packed } of this.#packer.finish()) {
      await this.#file.add({ ...packed, split: 'train', pieces: documents });
    }
    await this.#file.commit();
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await this.#file.discard();
  }
}
