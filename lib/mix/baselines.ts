import { checkFinite, checkInteger, checkList, invalid } from '../check.ts';

/** The same weight for every domain. */
export function uniformWeights(domains: number): number[] {
  const count = checkInteger('domains', domains, 1);
  return new Array<number>(count).fill(1 / count);
}

/** Weights in proportion to how much there is of each domain. */
export function proportionalWeights(sizes: ArrayLike<number>): number[] {
  checkList('sizes', sizes);
  if (sizes.length === 0) throw invalid('sizes', 'a size for each domain', sizes);
  const values = Array.from(sizes, (size, d) => checkFinite(`sizes[${d}]`, size, { min: 0 }));
  const total = values.reduce((sum, size) => sum + size, 0);
  if (total === 0) throw invalid('sizes', 'a domain that is not empty', values);
  return values.map((size) => size / total);
}
