import { quantileSorted } from 'simple-statistics';
import { spearman } from '../../evaluate/statistics.ts';
import { readPlan } from '../../order/plan.ts';
import type { DocumentRow, Histogram, ReportData } from '../../report/data.ts';
import type { ScoreTable } from '../../score/table.ts';
import type { RunContext } from '../context.ts';
import { PLAN_FILE, trainingDir } from '../plan-training.ts';

const BINS = 40;
/** Points of all position pictures together: more would only make the page larger. */
const SHOWN_POSITIONS = 6000;

/** Distribution of scores by domain, over the range that holds all but the outer 1 % on each side. */
export async function histograms(context: RunContext, pool: ScoreTable): Promise<Histogram[]> {
  const samples = await context.samples();
  const sorted = Array.from(pool.scores.slice().sort());
  const [low, high] = [0.01, 0.99].map((p) => quantileSorted(sorted, p));
  const width = (high - low) / BINS || 1;
  const counts = new Map<string, { shares: number[]; rows: number }>();
  pool.rows.forEach((row, place) => {
    const domain = samples.domain(row);
    if (!counts.has(domain)) counts.set(domain, { shares: new Array<number>(BINS).fill(0), rows: 0 });
    const entry = counts.get(domain)!;
    const bin = Math.floor((pool.scores[place] - low) / width);
    entry.rows++;
    if (bin >= 0 && bin < BINS) entry.shares[bin]++;
  });
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([domain, { shares, rows }]) => ({ domain, low, width, shares: shares.map((count) => count / rows) }));
}

/** Documents by the mean score of their rows in the pool: the `shown` highest and lowest. */
export async function extremeDocuments(
  context: RunContext,
  pool: ScoreTable,
  shown: number,
): Promise<{ best: DocumentRow[]; worst: DocumentRow[] }> {
  const samples = await context.samples();
  const corpus = await context.corpus();
  const tallies = new Map<number, { sum: number; count: number }>();
  pool.rows.forEach((row, place) => {
    const document = samples.document(row);
    const tally = tallies.get(document) ?? { sum: 0, count: 0 };
    tallies.set(document, { sum: tally.sum + pool.scores[place], count: tally.count + 1 });
  });
  const ranked = [...tallies]
    .map(([document, { sum, count }]) => ({ document, score: sum / count }))
    .sort((a, b) => b.score - a.score);
  const labelled = corpus.columns.includes('label');
  const show = ({ document, score }: (typeof ranked)[number]): DocumentRow => {
    const label = labelled ? corpus.value('label', document) : null;
    return {
      id: corpus.id(document),
      domain: corpus.domain(document),
      label: label === null ? null : String(label),
      score,
      text: corpus.text(document).slice(0, 4000),
    };
  };
  return { best: ranked.slice(0, shown).map(show), worst: ranked.slice(-shown).reverse().map(show) };
}

/** How alike every two scorings rank the pool. */
export function agreements(pools: Record<string, ScoreTable>): ReportData['agreement'] {
  const names = Object.keys(pools);
  return names.flatMap((a, i) =>
    names.slice(i + 1).map((b) => {
      const rank = spearman(pools[a].scores, pools[b].scores);
      return { a, b, spearman: Number.isFinite(rank) ? rank : null };
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
