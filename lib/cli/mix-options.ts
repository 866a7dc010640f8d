import { InvalidArgumentError, type Option } from 'commander';
import type { AnalysisOptions } from '../mix/analysis.ts';
import { DEFAULT_FLOOR } from '../mix/analysis.ts';
import { number, option, positiveInteger, positiveNumber, nonNegativeNumber } from './command.ts';

/** Amounts by domain, as in prose=2e9,code=1e9. */
export function amounts(text: string): Record<string, number> {
  const pairs = text.split(',').map((pair): [string, number] => {
    const at = pair.lastIndexOf('=');
    if (at < 1) throw new InvalidArgumentError('expected NAME=NUMBER, with commas between them.');
    return [pair.slice(0, at).trim(), number(pair.slice(at + 1))];
  });
  return Object.fromEntries(pairs);
}

export interface ResponseFlags {
  base?: Record<string, number>;
  measureWeights?: Record<string, number>;
}

export const responseOptions: Option[] = [
  option('--base <list>', 'base amounts, NAME=NUMBER,… (default: all equal)', amounts),
  option('--measure-weights <list>', 'what each measure counts, NAME=NUMBER,… (default: all the same)', amounts),
];

export interface OptimumFlags {
  floor: number;
  cap?: Record<string, number>;
  sizes?: Record<string, number>;
  maxEpochs?: number;
  total?: number;
  descent?: number;
}

export const optimumOptions: Option[] = [
  option('--floor <x>', 'least multiple of its base amount that a domain gets', nonNegativeNumber, DEFAULT_FLOOR),
  option('--cap <list>', 'largest multiples of the base amounts, NAME=NUMBER,…', amounts),
  option('--sizes <list>', 'amounts that there are of each domain, NAME=NUMBER,…', amounts),
  option('--max-epochs <x>', 'how often a domain may be gone through at these scales; needs --sizes', positiveNumber),
  option('--total <n>', 'sum of the optimal amounts (default: that of the base runs)', positiveNumber),
  option('--descent <steps>', 'also show what so many steps of the published gradient descent find', positiveInteger),
];

export const holdOutOption = option(
  '--hold-out',
  'predict from the scales below the target alone, and show the others beside it',
).default(false);

export const analysisOptions = (flags: OptimumFlags & { holdOut?: boolean }, target?: number): AnalysisOptions => ({
  floor: flags.floor,
  caps: flags.cap,
  sizes: flags.sizes,
  maxEpochs: flags.maxEpochs,
  total: flags.total,
  descent: flags.descent,
  target,
  holdOut: flags.holdOut,
});
