import { invalid } from '../check.ts';
import type { RunContext } from './context.ts';
import { drawRows } from './rows.ts';

/**
 * The rows of the target split whose loss training should lower: of one domain and with one label where the recipe says
 * so.
 * @throws GradfoldError INVALID_DATA when there are none.
 */
export async function targetRows(context: RunContext): Promise<Uint32Array> {
  const { target, seed } = context.recipe;
  const { domain, label, rows: count } = target!;
  const samples = await context.samples();
  if (label === undefined) return drawRows(samples, { split: 'target', domain, count, seed });
  const corpus = await context.corpus();
  const rows = drawRows(samples, { split: 'target', domain, seed }).filter(
    (row) => corpus.value('label', samples.document(row)) === label,
  );
  if (rows.length > 0) return rows.slice(0, count);
  throw invalid('target.label', 'the label of some rows of the target split', label, { code: 'INVALID_DATA' });
}
