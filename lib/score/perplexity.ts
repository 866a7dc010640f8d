import { rowLosses, type LossOptions } from '../evaluate/losses.ts';
import type { TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';

/**
 * Perplexity of every row under a model: exp of its mean loss [rows]; 1 for a row that predicts nothing. Rows of low
 * perplexity are easy for this model, not good: text that it has seen often, boilerplate above all, has the lowest.
 * @throws GradfoldError as rowLosses
 */
export async function perplexityScores(
  model: Pick<LanguageModel, 'loss' | 'checkPredictsNext'>,
  samples: TokenSource,
  rows: ArrayLike<number>,
  options: LossOptions = {},
): Promise<Float64Array> {
  return (await rowLosses(model, samples, rows, options)).map(Math.exp);
}
