import { Option } from 'commander';
import { openSamples, SPLITS, type Samples, type Split } from '../data/samples.ts';
import { GradfoldError } from '../errors.ts';
import { drawRows } from '../recipe/rows.ts';
import { option } from './command.ts';
import { sameTokenizer, tokenizerBeside } from './tokenizers.ts';

export interface TargetFlags {
  target?: string;
  /** Default: all of a table of their own, else `target`. */
  targetSplit?: Split | 'all';
  targetDomain?: string;
}

export const targetOptions = [
  option('--target <samples>', 'table of the target rows (default: the table of the rows)'),
  new Option('--target-split <name>', 'split of that table that target rows are taken from')
    .choices([...SPLITS, 'all'])
    .default('target'),
  option('--target-domain <name>', 'domain of the target rows (default: all)'),
];

export interface TargetRows {
  /** The table they are rows of. */
  from: Samples;
  rows: Uint32Array;
}

/**
 * Rows whose loss is to go down: of a table of their own, or of the samples at `path`.
 * @throws GradfoldError INVALID_DATA for a table made with another tokenizer, or where there are no such rows
 */
export async function targetRows(
  path: string,
  samples: Samples,
  options: TargetFlags & { count?: number; seed: number },
): Promise<TargetRows> {
  const { target, targetSplit, targetDomain: domain, count, seed } = options;
  const split = targetSplit ?? (target === undefined ? 'target' : 'all');
  const drawing = { split: split === 'all' ? undefined : split, domain, count, seed };
  if (target === undefined) return { from: samples, rows: drawRows(samples, drawing) };
  const [own, theirs] = [tokenizerBeside(path), tokenizerBeside(target)];
  if (own !== undefined && theirs !== undefined && !(await sameTokenizer(own, theirs))) {
    throw new GradfoldError(
      'INVALID_DATA',
      `${target}: expected rows of the tokenizer of ${path}, got those of another one; tokenize them with --tokenizer ${own}`,
    );
  }
  const from = await openSamples(target);
  return { from, rows: drawRows(from, drawing) };
}
