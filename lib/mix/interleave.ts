import { checkInteger, invalid } from '../check.ts';
import type { ByDomain } from './quotas.ts';

/** Beyond this, twice a row's number is no longer exact beside others of its kind. */
const MOST_ROWS = 2 ** 32 - 1;

/**
 * The order in which rows of several domains follow one another: the j-th row (from 1) of a domain of quota q comes at
 * the time (2j − 1)/2q of the training, by name where times are equal. As an apportionment of every prefix this is the
 * method of Webster and Sainte-Laguë.
 *
 * Of m domains with weights w = q/n, every prefix of k rows holds each domain k·w times but for at most
 * (1 + (m − 2)·w)/2 rows: at any time t a domain's count is within 1/2 of t·q, and k itself is the sum of those counts.
 * The order of the rows of any two domains depends on their own quotas alone: where another domain's quota changes, they
 * still follow one another as before.
 * @returns for each place the index of its domain, as `Object.keys(quotas)` has them
 * @throws GradfoldError INVALID_ARGUMENT for quotas that are not integers >= 0, or all zero.
 */
export function interleave(quotas: ByDomain): Uint32Array {
  const names = Object.keys(quotas);
  const counts = names.map((name) => checkInteger(`quotas.${name}`, quotas[name], 0, MOST_ROWS));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) throw invalid('quotas', 'at least one row', 'none');
  checkInteger('sum of quotas', total, 1, MOST_ROWS);
  // Scanned in the order of names, the first of equal times wins.
  const active = names
    .map((_, i) => i)
    .filter((i) => counts[i] > 0)
    .sort((a, b) => (names[a] < names[b] ? -1 : 1));
  const taken = new Float64Array(names.length);
  const times = Float64Array.from(counts, (count) => 1 / count);
  const places = new Uint32Array(total);
  for (let k = 0; k < total; k++) {
    let next = active[0];
    for (const i of active) if (times[i] < times[next]) next = i;
    places[k] = next;
    // Divided anew each time: a running sum would round equal times apart.
    times[next] = (2 * ++taken[next] + 1) / counts[next];
  }
  return places;
}
