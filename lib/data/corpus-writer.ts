import { RecordBatchReader } from 'apache-arrow';
import { checkInteger, invalid, show } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { AtomicFile } from '../atomic-file.ts';
import { fileError } from '../files.ts';
import { ArrowFileWriter } from './arrow-file.ts';
import type { CorpusDocument } from './corpus.ts';
import { CorpusColumns, cellOf, type Cell } from './corpus-columns.ts';
import { DigestSet } from './digest-set.ts';
import { ShardFolder } from './shard-folder.ts';

export interface WriteCorpusOptions {
  /** Leave out documents whose text is exactly that of an earlier one. */
  deduplicate?: boolean;
  /** Writes a folder of shards of so many documents, the last one smaller, instead of one file. */
  shardDocuments?: number;
  signal?: AbortSignal;
}

export interface WrittenCorpus {
  documents: number;
  /** Size of the files. */
  bytes: number;
  /** Files written, where a folder of shards was asked for. */
  shards?: number;
  /** Documents left out because their text had come before. */
  duplicates: number;
}

const BATCH_DOCUMENTS = 4096;
/** Characters of text in a batch, beyond which it is written out. */
const BATCH_CHARACTERS = 8 * 2 ** 20;

/** What the shards of a corpus are called. */
const SHARDS_NAME = 'corpus';
/** The most that a buffer of Node 20 takes, so that the file can be opened again. */
const MOST_BYTES = 2 ** 32;

/**
 * Writes a corpus table atomically, in record batches: memory holds one batch, besides a digest of every id and (with
 * `deduplicate`) of every text. Errors: INVALID_DATA for a document without id or text or with an id that came
 * before; UNSUPPORTED for more than one file can hold; IO for a full disk or missing permission. On any error nothing is
 * left under `path`.
 */
export async function writeCorpus(
  path: string,
  documents: AsyncIterable<CorpusDocument> | Iterable<CorpusDocument>,
  options: WriteCorpusOptions = {},
): Promise<WrittenCorpus> {
  const { deduplicate, shardDocuments, signal } = options;
  if (shardDocuments !== undefined) checkInteger('shardDocuments', shardDocuments, 1);
  const ids = new DigestSet();
  const texts = new DigestSet();
  let duplicates = 0;
  const spool =
    shardDocuments === undefined ? await CorpusSpool.create(path) : await ShardedSpool.create(path, shardDocuments);
  try {
    for await (const document of documents) {
      signal?.throwIfAborted();
      checkDocument(document, ids.size + duplicates);
      if (deduplicate && !texts.add(document.text)) {
        duplicates++;
        continue;
      }
      if (!ids.add(document.id)) {
        throw new GradfoldError(
          'INVALID_DATA',
          `${path}: expected ids that differ, got ${show(document.id)} twice; ` +
            'give each document an id of its own, or none, so that one is made from its file and row',
        );
      }
      await spool.add(document);
    }
    return { documents: ids.size, ...(await spool.commit()), duplicates };
  } catch (error) {
    await spool.discard();
    throw fileError('write', path, error);
  }
}

function checkDocument(document: CorpusDocument, index: number): void {
  for (const name of ['id', 'text'] as const) {
    if (typeof document[name] !== 'string')
      throw invalid(`document ${index}, '${name}'`, 'a string', document[name], { code: 'INVALID_DATA' });
  }
}

/**
 * Rows on their way into an Arrow file. A schema stands at the file's head, but which columns there are is known only
 * once all documents were seen: when a later one brings a new column, what is there is copied under the wider schema.
 */
class CorpusSpool {
  readonly #path: string;
  readonly #columns = new CorpusColumns();
  #file: AtomicFile;
  #writer: ArrowFileWriter;
  #rows: Map<string, Cell>[] = [];
  #characters = 0;
  #documents = 0;
  #batches = 0;
  #outgrown = false;

  private constructor(path: string, file: AtomicFile) {
    this.#path = path;
    this.#file = file;
    this.#writer = new ArrowFileWriter(file.handle);
  }

  static async create(path: string): Promise<CorpusSpool> {
    return new CorpusSpool(path, await AtomicFile.create(path));
  }

  get documents(): number {
    return this.#documents;
  }

  async add(document: CorpusDocument): Promise<void> {
    const row = new Map(Object.entries(document).map(([name, value]) => [name, cellOf(value)]));
    this.#outgrown = this.#columns.widen(row) || this.#outgrown;
    this.#rows.push(row);
    this.#documents++;
    this.#characters += document.text.length;
    if (this.#rows.length >= BATCH_DOCUMENTS || this.#characters >= BATCH_CHARACTERS) await this.#flush();
  }

  async commit(): Promise<{ bytes: number }> {
    if (this.#rows.length > 0 || this.#batches === 0) await this.#flush();
    const bytes = await this.#writer.finish();
    await this.#file.commit();
    return { bytes };
  }

  async discard(): Promise<void> {
    await this.#file.discard();
  }

  async #flush(): Promise<void> {
    if (this.#outgrown && this.#batches > 0) await this.#rewrite();
    await this.#writer.write(this.#columns.batchOf(this.#rows));
    if (this.#writer.bytes > MOST_BYTES) {
      throw new GradfoldError(
        'UNSUPPORTED',
        `${this.#path}: expected at most ${MOST_BYTES} bytes in one file, got more with document ${this.#documents}; ` +
          `split into shards of at most ${Math.floor(this.#documents / 2)} documents (shardDocuments, --shard-documents)`,
      );
    }
    this.#batches++;
    this.#rows = [];
    this.#characters = 0;
    this.#outgrown = false;
  }

  async #rewrite(): Promise<void> {
    await this.#writer.finish();
    const outgrown = this.#file;
    try {
      this.#file = await AtomicFile.create(this.#path);
      this.#writer = new ArrowFileWriter(this.#file.handle);
      for await (const batch of await RecordBatchReader.from(outgrown.handle))
        await this.#writer.write(this.#columns.conform(batch));
    } finally {
      await outgrown.discard();
    }
  }
}

/** Rows on their way into a folder of such files, each with the columns that its own documents have. */
class ShardedSpool {
  readonly #folder: ShardFolder;
  readonly #shardDocuments: number;
  #spool: CorpusSpool;
  #written = { bytes: 0, shards: 0 };

  private constructor(folder: ShardFolder, shardDocuments: number, spool: CorpusSpool) {
    this.#folder = folder;
    this.#shardDocuments = shardDocuments;
    this.#spool = spool;
  }

  static async create(path: string, shardDocuments: number): Promise<ShardedSpool> {
    const folder = await ShardFolder.create(path, SHARDS_NAME);
    return new ShardedSpool(folder, shardDocuments, await CorpusSpool.create(folder.shard(0)));
  }

  async add(document: CorpusDocument): Promise<void> {
    if (this.#spool.documents === this.#shardDocuments) {
      await this.#finishShard();
      this.#spool = await CorpusSpool.create(this.#folder.shard(this.#written.shards));
    }
    await this.#spool.add(document);
  }

  async commit(): Promise<{ bytes: number; shards: number }> {
    await this.#finishShard();
    await this.#folder.commit(this.#written.shards);
    return this.#written;
  }

  async discard(): Promise<void> {
    await this.#spool.discard();
    await this.#folder.discard();
  }

  async #finishShard(): Promise<void> {
    const { bytes } = await this.#spool.commit();
    this.#written = { bytes: this.#written.bytes + bytes, shards: this.#written.shards + 1 };
  }
}
