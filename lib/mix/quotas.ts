import { checkFinite, checkInteger, checkObject, invalid } from '../check.ts';

/** A number for each domain, by name. */
export type ByDomain = Readonly<Record<string, number>>;

/**
 * Rows of each domain when `budget` rows are divided by `weights`: every domain gets its share rounded down, and the rows
 * that are left go one each to the largest remainders (Hamilton's method), by name on ties. The quotas add up to the
 * budget, each is within one row of its share, and the order of the domains makes no difference.
 * @param weights relative to each other, >= 0
 * @throws GradfoldError INVALID_ARGUMENT for no domain, or weights that are negative or all zero.
 */
export function domainQuotas(weights: ByDomain, budget: number): Record<string, number> {
  checkObject('weights', weights);
  checkInteger('budget', budget, 1);
  const names = Object.keys(weights);
  const total = names.reduce((sum, name) => sum + checkFinite(`weights.${name}`, weights[name], { min: 0 }), 0);
  if (!(total > 0)) throw invalid('weights', 'a positive sum', total);
  const shares = names.map((name) => (weights[name] / total) * budget);
  const quotas = shares.map(Math.floor);
  const left = budget - quotas.reduce((sum, quota) => sum + quota, 0);
  const byRemainder = names
    .map((_, i) => i)
    .filter((i) => weights[names[i]] > 0)
    .sort((a, b) => shares[b] - quotas[b] - (shares[a] - quotas[a]) || (names[a] < names[b] ? -1 : 1));
  for (const i of byRemainder.slice(0, left)) quotas[i]++;
  return Object.fromEntries(names.map((name, i) => [name, quotas[i]]));
}
