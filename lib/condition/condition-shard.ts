import { setImmediate } from 'node:timers/promises';
import type { Corpus } from '../data/corpus.ts';
import { splitOf, uniformOf, type Split } from '../data/splits.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { assemble } from './condition-document.ts';
import { evaluationRows } from './evaluation-rows.ts';
import { MetadataReader, type MetadataCounts, type MetadataOptions } from './metadata-reader.ts';
import type { PackCounts } from './pack/counts.ts';
import type { PackOptions } from './pack/row-packer.ts';
import { PackedTableWriter, type PieceSource } from './packed-table-writer.ts';

/** How documents become rows; all of it can be sent to another thread. */
export interface ConditionSettings extends PackOptions {
  /** A digest of the corpus. */
  corpus: string;
  /** Null: no document has metadata. */
  metadata: MetadataOptions | null;
  prefix: string;
  suffix: string;
  trainOnMetadata: boolean;
  /** Share of the training documents that is held back for the cooldown. */
  cooldown: number;
  seed: number;
  fractions: Record<Split, number>;
}

/** The documents [begin, end) of a corpus, and where their rows go in a folder. */
export interface ShardTask {
  index: number;
  begin: number;
  end: number;
  /** Null: there is no such table. */
  conditioned: string | null;
  plain: string;
}

export interface EvaluationCounts {
  documents: number;
  /** Rows of each of the two tables. */
  rows: number;
  /** Tokens predicted in them. */
  predictedTokens: number;
  /** Documents that were left out because their metadata leave no room in a row. */
  withoutRoom: number;
}

export interface ShardCounts {
  metadata: MetadataCounts;
  /** Null where there is no such table. */
  conditioned: PackCounts | null;
  plain: PackCounts;
  evaluation: EvaluationCounts;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE = 50;

/**
 * Conditions and packs a range of documents: training documents into packed rows, with their metadata or, those held
 * back for the cooldown, without; all others into evaluation rows, in both tables. The files appear whole or not at all.
 * Errors: INVALID_DATA for metadata that must not be missing; UNSUPPORTED for more rows than a file can hold; IO; rejects
 * with `signal.reason` on abort.
 */
export async function conditionShard(
  corpus: Corpus,
  tokenizer: Tokenizer,
  settings: ConditionSettings,
  task: Omit<ShardTask, 'index'>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (documents: number) => void } = {},
): Promise<ShardCounts> {
  const tables: PackedTableWriter[] = [];
  const open = async (path: string): Promise<PackedTableWriter> => {
    const table = await PackedTableWriter.create(path, settings);
    tables.push(table);
    return table;
  };
  try {
    const plain = await open(task.plain);
    const conditioned = task.conditioned === null ? null : await open(task.conditioned);
    const shard = new ShardConditioner(corpus, tokenizer, settings, plain, conditioned);
    let sliceEnd = performance.now() + SLICE;
    for (let document = task.begin; document < task.end; document++) {
      if (performance.now() >= sliceEnd) {
        onProgress?.(document - task.begin);
        await setImmediate();
        signal?.throwIfAborted();
        sliceEnd = performance.now() + SLICE;
      }
      await shard.add(document);
    }
    for (const table of tables) await table.commit();
    onProgress?.(task.end - task.begin);
    return shard.counts;
  } catch (error) {
    for (const table of tables) await table.discard();
    throw error;
  }
}

/** Whether a training document is held back for the cooldown; the pieces of one document stay together. */
export function isHeldBack(origin: string, seed: number, share: number): boolean {
  return uniformOf(`cooldown\n${origin}`, seed) < share;
}

class ShardConditioner {
  readonly #corpus: Corpus;
  readonly #tokenizer: Tokenizer;
  readonly #settings: ConditionSettings;
  readonly #reader: MetadataReader | null;
  readonly #plain: PackedTableWriter;
  readonly #conditioned: PackedTableWriter | null;
  readonly #evaluation: EvaluationCounts = { documents: 0, rows: 0, predictedTokens: 0, withoutRoom: 0 };

  constructor(
    corpus: Corpus,
    tokenizer: Tokenizer,
    settings: ConditionSettings,
    plain: PackedTableWriter,
    conditioned: PackedTableWriter | null,
  ) {
    this.#corpus = corpus;
    this.#tokenizer = tokenizer;
    this.#settings = settings;
    this.#reader = settings.metadata && new MetadataReader(settings.metadata);
    this.#plain = plain;
    this.#conditioned = conditioned;
  }

  get counts(): ShardCounts {
    return {
      metadata: this.#reader?.counts ?? { given: 0, missing: 0, malformed: 0 },
      conditioned: this.#conditioned && this.#conditioned.counts,
      plain: this.#plain.counts,
      evaluation: this.#evaluation,
    };
  }

  async add(document: number): Promise<void> {
    const { seed, fractions, cooldown, trainOnMetadata } = this.#settings;
    const { beginOfTextId: begin, endOfTextId: end } = this.#tokenizer;
    const id = this.#corpus.id(document);
    const metadata =
      this.#reader?.read((column) => this.#corpus.value(column, document), `document ${JSON.stringify(id)}`) ?? null;
    const source = { document, domain: this.#corpus.domain(document), metadata };
    const origin = this.#corpus.origin(document);
    const split = splitOf(origin, seed, fractions);
    const body = this.#tokenizer.encode(this.#corpus.text(document));
    if (split !== 'train') return this.#evaluate(source, split, body);
    if (this.#conditioned === null || isHeldBack(origin, seed, cooldown)) {
      await this.#plain.train(assemble(begin, [], body, end, trainOnMetadata), source);
    } else {
      await this.#conditioned.train(assemble(begin, this.#context(metadata), body, end, trainOnMetadata), source);
    }
  }

  async #evaluate(source: PieceSource, split: Split, body: Int32Array): Promise<void> {
    const { beginOfTextId: begin, endOfTextId: end } = this.#tokenizer;
    const counts = this.#evaluation;
    const rows = evaluationRows(this.#context(source.metadata), body, { length: this.#settings.length, begin, end });
    counts.documents++;
    if (rows === null) counts.withoutRoom++;
    for (const { conditioned, plain } of rows ?? []) {
      counts.rows++;
      counts.predictedTokens += plain.inputIds.length - Math.max(1, plain.contextLength);
      await this.#plain.evaluate(plain, source, split);
      await this.#conditioned?.evaluate(conditioned, source, split);
    }
  }

  #context(metadata: string | null): Int32Array {
    const { prefix, suffix } = this.#settings;
    return metadata === null ? new Int32Array(0) : this.#tokenizer.encode(prefix + metadata + suffix);
  }
}
