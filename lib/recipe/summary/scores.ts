import { spearman } from '../../evaluate/statistics.ts';
import { readPlan } from '../../order/plan.ts';
import type { ReportData } from '../../report/data.ts';
import type { ScoreTable } from '../../score/table.ts';
import type { RunContext } from '../context.ts';
import { correlationOf } from '../uncertainty.ts';
import { PLAN_FILE, trainingDir } from '../plan-training.ts';

/** Points of all position pictures together: more would only make the page larger. */
const SHOWN_POSITIONS = 6000;

/** How alike every two scorings rank the pool. */
export function agreements(pools: Record<string, ScoreTable>): ReportData['agreement'] {
  const names = Object.keys(pools);
  return names.flatMap((a, i) =>
    names.slice(i + 1).map((b) => {
      const rank = spearman(pools[a].scores, pools[b].scores);
      return { a, b, spearman: correlationOf(rank, pools[a].scores.length) };
    }),
  );
}

/** For the first seed, where in the pool's scores the rows are that a plan shows along training. */
export async function positions(
  context: RunContext,
  plans: ReportData['plans'],
  pools: Record<string, ScoreTable>,
): Promise<ReportData['positions']> {
  const points: ReportData['positions'] = [];
  const ranks = new Map(Object.entries(pools).map(([name, pool]) => [name, ranksOf(pool)]));
  const scored = plans.filter(({ scoring }) => scoring !== null);
  for (const { name, scoring } of scored) {
    const { rows } = await readPlan(context.path(trainingDir(name, context.recipe.train.seeds[0]), PLAN_FILE));
    const rankOf = ranks.get(scoring!)!;
    const stride = Math.max(1, Math.ceil((rows.length * scored.length) / SHOWN_POSITIONS));
    for (let position = 0; position < rows.length; position += stride) {
      points.push({ plan: name, position, rank: rankOf.get(rows[position])! });
    }
  }
  return points;
}

/** The share of the pool's rows that score lower, by row. */
function ranksOf({ rows, scores }: ScoreTable): Map<number, number> {
  const sorted = scores.slice().sort();
  const below = new Map<number, number>();
  sorted.forEach((score, i) => {
    if (!below.has(score)) below.set(score, i / sorted.length);
  });
  return new Map(Array.from(rows, (row, place) => [row, below.get(scores[place])!]));
}
