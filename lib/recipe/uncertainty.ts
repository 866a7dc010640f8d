import { spearmanError } from '../evaluate/statistics.ts';
import type { Estimate } from '../report/data.ts';

/** JSON has no NaN. */
export const definedError = (error: number): number | null => (Number.isNaN(error) ? null : error);

/** Spearman's correlation of so many pairs, with its error; null where it is not defined, one side being constant. */
export function correlationOf(spearman: number, pairs: number): Estimate | null {
  if (!Number.isFinite(spearman)) return null;
  return { value: spearman, standardError: definedError(spearmanError(spearman, pairs)) };
}
