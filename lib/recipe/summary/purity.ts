import { readPlan } from '../../order/plan.ts';
import type { RunContext } from '../context.ts';
import { plansOf } from '../grid.ts';
import { PLAN_FILE, trainingDir } from '../plan-training.ts';

/** The column in which planted noise is told apart, and what it says of a document that was left as it was. */
const COLUMN = 'corruption';
const CLEAN = 'none';

/** By plan, the share of clean rows among those of its plans of all seeds; undefined where no noise was planted. */
export async function planPurities(context: RunContext): Promise<Record<string, number> | undefined> {
  const { recipe } = context;
  const corpus = await context.corpus();
  if (!corpus.columns.includes(COLUMN)) return undefined;
  const samples = await context.samples();
  const isClean = (row: number) => corpus.value(COLUMN, samples.document(row)) === CLEAN;
  const shares: Record<string, number> = {};
  for (const name of Object.keys(plansOf(recipe))) {
    let [clean, all] = [0, 0];
    for (const seed of recipe.train.seeds) {
      const { rows } = await readPlan(context.path(trainingDir(name, seed), PLAN_FILE));
      clean += rows.filter(isClean).length;
      all += rows.length;
    }
    shares[name] = clean / all;
  }
  return shares;
}
