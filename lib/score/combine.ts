import { checkFinite, invalid } from '../check.ts';
import { summarize } from '../evaluate/statistics.ts';
import { scoresByRow, type ScoreTable } from './table.ts';

/** A column of scores and its share in a combination. */
export interface WeightedScores extends ScoreTable {
  /** What messages call it. */
  name: string;
  /** Negative where low scores are the good ones. */
  weight: number;
}

/**
 * The weighted sum of score columns, each first brought to mean 0 and standard deviation 1, over the rows that all of
 * them have: Σ_c w_c (s_c − mean s_c) / sd s_c.
 * @returns the combined scores, ascending by row
 * @throws GradfoldError INVALID_ARGUMENT for no columns; INVALID_DATA naming a column that scores a row twice, has a value
 *   that is not finite or only one value for all rows, or when no row is in all of them.
 */
export function combineScores(parts: readonly WeightedScores[]): ScoreTable {
  if (parts.length === 0) throw invalid('parts', 'at least one column of scores', 'none');
  const byRow = parts.map(({ name, weight, ...table }) => {
    checkFinite(`weight of ${name}`, weight);
    return scoresByRow(name, table);
  });
  const rows = Uint32Array.from([...byRow[0].keys()].filter((row) => byRow.every((scores) => scores.has(row)))).sort();
  if (rows.length === 0) {
    throw invalid('rows', `some that ${parts.map(({ name }) => name).join(', ')} all score`, 'none', {
      code: 'INVALID_DATA',
    });
  }
  const scores = new Float64Array(rows.length);
  parts.forEach(({ name, weight }, c) => {
    const values = Array.from(rows, (row) => byRow[c].get(row)!);
    const { mean, standardDeviation } = summarize(values);
    if (!(standardDeviation > 0)) {
      throw invalid(`scores of ${name}`, 'values that differ', values[0], {
        code: 'INVALID_DATA',
        fix: 'leave the column out: it says nothing about these rows',
      });
    }
    values.forEach((value, i) => (scores[i] += (weight * (value - mean)) / standardDeviation));
  });
  return { rows, scores };
}
