import type { Estimate, QualityData } from '../report/data.ts';
import { rowLosses } from '../evaluate/losses.ts';
import { areaWithError } from '../evaluate/roc.ts';
import { shareError } from '../evaluate/statistics.ts';
import { readScoreTable } from '../score/table.ts';
import { invalid } from '../check.ts';
import { definedError } from './uncertainty.ts';
import { scoreFile, type RunContext } from './context.ts';
import { plansOf, selectionName } from './grid.ts';
import { selectFrom } from './plans.ts';
import { trainingRows } from './rows.ts';
import { withAnnotator } from './scorings/annotator.ts';

/** The rows of the pool that can be judged: those whose document has a value in the judging column. */
interface Judged {
  /** Places in the pool. */
  places: number[];
  rows: Uint32Array;
  positive: boolean[];
  /** What each negative counts as, where groups are asked for. */
  group: (string | null)[];
}

/**
 * Judges every scoring by a column of the corpus that no method saw, beside two scores that cost next to nothing: how
 * often a row of the positive value is ranked above another one, and how many of the rows that plans keep are positive.
 */
export async function judgeScores(
  context: RunContext,
  onProgress: (done: number, total: number) => void,
): Promise<QualityData> {
  const { recipe } = context;
  const { column, positive, groups: groupColumn } = recipe.quality!;
  const judged = await judgedRows(context);
  const { places, rows } = judged;
  const positives = judged.positive.filter(Boolean).length;
  if (positives === 0 || positives === rows.length) {
    throw invalid(
      `quality.positive: column "${column}" of the pool`,
      `rows with "${positive}" and rows with another value`,
      `${positives} of ${rows.length} with it`,
      { code: 'INVALID_DATA' },
    );
  }
  const groups = [...new Set(judged.group.filter((name) => name !== null))].sort();

  const scores: { name: string; values: ArrayLike<number> }[] = [];
  for (const name of Object.keys(recipe.scores)) {
    const pool = await readScoreTable(context.path(scoreFile(name)), name);
    scores.push({ name, values: places.map((place) => pool.scores[place]) });
  }
  const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
  scores.push({
    name: 'length of the document',
    values: Float64Array.from(rows, (row) => corpus.text(samples.document(row)).length),
  });
  if (recipe.pretrain) {
    const losses = await withAnnotator(context, (model) =>
      rowLosses(model, samples, rows, {
        signal: context.signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      }),
    );
    scores.push({ name: '−loss of the annotating model', values: losses.map((loss) => -loss) });
  }
  return {
    column,
    positive,
    positives,
    negatives: rows.length - positives,
    groupColumn: groupColumn ?? null,
    scores: scores.map(({ name, values }) => ({ name, ...areas(judged, groups, values) })),
    purity: await purities(context, judged),
  };
}

async function judgedRows(context: RunContext): Promise<Judged> {
  const { recipe } = context;
  const { column, positive, groups } = recipe.quality!;
  const [samples, corpus] = await Promise.all([context.samples(), context.corpus()]);
  const { pool } = trainingRows(samples, recipe.pool.rows, recipe.seed);
  const valueOf = (row: number) => corpus.value(column, samples.document(row));
  const places = Array.from(pool.keys()).filter((place) => valueOf(pool[place]) !== null);
  const rows = Uint32Array.from(places, (place) => pool[place]);
  const isPositive = Array.from(rows, (row) => String(valueOf(row)) === positive);
  const group = Array.from(rows, (row, i) => {
    const name = groups === undefined || isPositive[i] ? null : corpus.value(groups, samples.document(row));
    return name === null ? null : String(name);
  });
  return { places, rows, positive: isPositive, group };
}

function areas({ positive, group }: Judged, groups: string[], values: ArrayLike<number>) {
  const of = (wanted: (i: number) => boolean) => Array.from(values).filter((_, i) => wanted(i));
  const positives = of((i) => positive[i]);
  const over = (negatives: number[]): Estimate => {
    const { area, standardError } = areaWithError(positives, negatives);
    return { value: area, standardError: definedError(standardError) };
  };
  return {
    auc: over(of((i) => !positive[i])),
    byGroup: Object.fromEntries(groups.map((name) => [name, over(of((i) => group[i] === name))])),
  };
}

/** Shares of positive rows among the judged ones: of the whole pool, and of what each selection keeps. */
async function purities(context: RunContext, { rows, positive }: Judged): Promise<QualityData['purity']> {
  const { recipe } = context;
  const samples = await context.samples();
  const isPositive = new Map(Array.from(rows, (row, i) => [row, positive[i]]));
  const selections = new Map(
    Object.values(plansOf(recipe)).flatMap(({ score, select }) =>
      score !== undefined && select ? [[`${score}-${selectionName(select)}`, { score, select }] as const] : [],
    ),
  );
  const purity = (name: string, kept: Uint32Array) => {
    const judged = Array.from(kept, (row) => isPositive.get(row)).filter((x) => x !== undefined);
    const value = judged.filter(Boolean).length / judged.length;
    const share = judged.length > 0 ? { value, standardError: shareError(value, judged.length) } : null;
    return { name, judged: judged.length, share };
  };
  const kept = [];
  for (const [name, { score, select }] of selections) {
    const table = await readScoreTable(context.path(scoreFile(score)), score);
    const { places } = selectFrom(table, select, recipe.seed, (row) => samples.domain(row));
    kept.push(
      purity(
        name,
        places.map((place) => table.rows[place]),
      ),
    );
  }
  return [purity('all of the pool', rows), ...kept];
}
