import { checkInteger, checkOptions, type OptionNames } from '../check.ts';
import { collate } from '../data/batch.ts';
import { needsNextToken, rowOf, type TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';

export interface LossOptions {
  /** Default 32. */
  batchSize?: number;
  signal?: AbortSignal;
  /** Counted in rows. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export const LOSS_OPTIONS: OptionNames<LossOptions> = { batchSize: true, signal: true, onProgress: true };

/**
 * Mean loss of every row under a model, in nats per predicted token [rows]; 0 for a row that predicts nothing. Batches
 * are formed by length, so that little is spent on padding.
 * @throws GradfoldError INVALID_ARGUMENT for an option that does not exist; UNSUPPORTED for a model of masked tokens on rows without labels; rejects with `signal.reason`
 *   on abort.
 */
export async function rowLosses(
  model: Pick<LanguageModel, 'loss' | 'checkPredictsNext'>,
  samples: TokenSource,
  rows: ArrayLike<number>,
  options: LossOptions = {},
): Promise<Float64Array> {
  checkOptions('options', options, LOSS_OPTIONS);
  const { signal, onProgress } = options;
  if (needsNextToken(samples)) model.checkPredictsNext('rowLosses');
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const lengths = Array.from(rows, (row) => samples.tokens(row).length);
  const byLength = lengths.map((_, i) => i).sort((a, b) => lengths[a] - lengths[b]);
  const losses = new Float64Array(rows.length);
  for (let start = 0; start < rows.length; start += batchSize) {
    signal?.throwIfAborted();
    const members = byLength.slice(start, start + batchSize);
    const { perSample } = await model.loss(collate(members.map((i) => rowOf(samples, rows[i]))), { signal });
    members.forEach((i, slot) => (losses[i] = perSample[slot]));
    onProgress?.({ done: start + members.length, total: rows.length });
  }
  return losses;
}
