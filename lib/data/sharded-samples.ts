import { invalid } from '../check.ts';
import type { FlatSamples, Samples } from './flat-samples.ts';
import { commonCorpus, layShards, rowsOf, shardOf, type Shard } from './shards.ts';
import type { Split } from './splits.ts';

/** Samples over several files: rows are numbered through in the order of the shards. */
export class ShardedSamples implements Samples {
  readonly shards: readonly Shard[];
  readonly count: number;
  readonly length: number;
  readonly corpus?: string;
  readonly #tables: readonly FlatSamples[];

  /** Errors: INVALID_FILE for shards of rows of another length; UNSUPPORTED for more rows than can be numbered. */
  constructor(files: readonly { path: string; samples: FlatSamples }[]) {
    this.#tables = files.map(({ samples }) => samples);
    this.shards = layShards(files.map(({ path, samples }) => ({ path, count: samples.count })));
    this.count = rowsOf(this.shards);
    this.length = this.#tables[0].length;
    this.corpus = commonCorpus(this.#tables);
    for (const { path, samples } of files) {
      if (samples.length === this.length) continue;
      throw invalid(path, `rows of up to ${this.length} tokens, as ${files[0].path} has`, samples.length, {
        code: 'INVALID_FILE',
        fix: 'tokenize all shards with one length',
      });
    }
  }

  tokens(i: number): Int32Array {
    const { table, row } = this.#locate(i);
    return table.tokens(row);
  }

  document(i: number): number {
    const { table, row } = this.#locate(i);
    return table.document(row);
  }

  domain(i: number): string {
    const { table, row } = this.#locate(i);
    return table.domain(row);
  }

  split(i: number): Split {
    const { table, row } = this.#locate(i);
    return table.split(row);
  }

  rows(split: Split): Uint32Array {
    const parts = this.#tables.map((table) => table.rows(split));
    const rows = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    parts.forEach((part, s) => {
      for (const row of part) rows[at++] = this.shards[s].start + row;
    });
    return rows;
  }

  prefetch(rows: ArrayLike<number>): void {
    for (let i = 0; i < rows.length; i++) {
      const { table, row } = this.#locate(rows[i]);
      table.prefetchRow(row);
    }
  }

  #locate(i: number): { table: FlatSamples; row: number } {
    const shard = shardOf(this.shards, i, 'sample');
    return { table: this.#tables[shard], row: i - this.shards[shard].start };
  }
}
