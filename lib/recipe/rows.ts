import type { Samples, Split } from '../data/samples.ts';
import { sampleBatches } from '../data/token-source.ts';
import { GradfoldError } from '../errors.ts';
import { randomPermutation, streamOf } from '../random.ts';

/**
 * Up to `count` rows of a split (default: of all), of one domain where one is given, drawn without replacement by the
 * seed.
 * @throws GradfoldError INVALID_DATA when there are none.
 */
export function drawRows(
  samples: Samples,
  options: { split?: Split; domain?: string; count?: number; seed: number },
): Uint32Array {
  const { split, domain, count = Infinity, seed } = options;
  const all = split === undefined ? Uint32Array.from({ length: samples.count }, (_, i) => i) : samples.rows(split);
  const rows = domain === undefined ? all : all.filter((row) => samples.domain(row) === domain);
  if (rows.length === 0) {
    const where = domain === undefined ? '' : ` of domain "${domain}"`;
    throw new GradfoldError(
      'INVALID_DATA',
      `${split === undefined ? 'samples' : `split "${split}"`}${where}: expected at least one row, got none; domains there: ${domainsOf(samples, all).join(', ') || 'none'}; take more documents or a larger share`,
    );
  }
  const order = randomPermutation(rows.length, seed, streamOf(`rows/${split ?? ''}/${domain ?? ''}`));
  return order.map((i) => rows[i]).slice(0, Math.min(rows.length, count));
}

/** The domains of rows, in order of name. */
export function domainsOf(samples: Samples, rows: Uint32Array): string[] {
  const names = new Set<string>();
  for (const row of rows) names.add(samples.domain(row));
  return [...names].sort();
}

/**
 * Validation rows of every domain, up to `count` of each, one domain after the other.
 * @throws GradfoldError INVALID_DATA when there are none at all.
 */
export function validationRows(samples: Samples, count: number, seed: number): Uint32Array {
  const split = 'validation';
  const domains = domainsOf(samples, samples.rows(split));
  if (domains.length === 0) return drawRows(samples, { split, seed });
  return Uint32Array.from(domains.flatMap((domain) => [...drawRows(samples, { split, domain, count, seed })]));
}

export interface TrainingRows {
  /** Rows that plans are made of. */
  pool: Uint32Array;
  /** Rows for the annotating model and the annotation run: not in the pool while there are others. */
  rest: Uint32Array;
}

/** Divides the rows of the training split, in an order drawn by the seed. */
export function trainingRows(samples: Samples, poolRows: number, seed: number): TrainingRows {
  const rows = drawRows(samples, { split: 'train', seed });
  const pool = rows.slice(0, poolRows);
  return { pool, rest: rows.length > poolRows ? rows.slice(poolRows) : pool };
}

/** `count` rows from `start` on, beginning again at the end. */
export function cycle(rows: Uint32Array, start: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => rows[(start + i) % rows.length]);
}

/** Rows as batches of `size` rows, the last one smaller, each made when it is asked for. */
export const batchesOf = sampleBatches;
