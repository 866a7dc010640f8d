import { openSamples, type Samples } from '../data/samples.ts';
import { GradfoldError } from '../errors.ts';
import { drawRows } from '../recipe/rows.ts';
import { sameTokenizer, tokenizerBeside } from './tokenizers.ts';

export interface TargetRows {
  /** The table they are rows of. */
  from: Samples;
  rows: Uint32Array;
}

/**
 * Rows whose loss is to go down: of a table of their own, or of the target split of the samples at `path`.
 * @throws GradfoldError INVALID_DATA for a table made with another tokenizer, or where there are no such rows
 */
export async function targetRows(
  path: string,
  samples: Samples,
  options: { target?: string; targetDomain?: string; count?: number; seed: number },
): Promise<TargetRows> {
  const { target, targetDomain: domain, count, seed } = options;
  if (target === undefined) return { from: samples, rows: drawRows(samples, { split: 'target', domain, count, seed }) };
  const [own, theirs] = [tokenizerBeside(path), tokenizerBeside(target)];
  if (own !== undefined && theirs !== undefined && !(await sameTokenizer(own, theirs))) {
    throw new GradfoldError(
      'INVALID_DATA',
      `${target}: expected rows of the tokenizer of ${path}, got those of another one; tokenize them with --tokenizer ${own}`,
    );
  }
  const from = await openSamples(target);
  return { from, rows: drawRows(from, { domain, count, seed }) };
}
