import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { writeTextAtomically } from '../atomic-file.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { rowLosses } from '../evaluate/losses.ts';
import { areaUnderCurve, spearman } from '../evaluate/statistics.ts';
import type { ModelConfig } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import { planOf } from '../order/plan.ts';
import { lqsSweep } from '../score/lqs.ts';
import { readScoreTable, writeScoreTable, type ScoreTable } from '../score/table.ts';
import type { QualityRow } from '../report/data.ts';
import { FILES, type RunContext, type RunStage } from './context.ts';
import { batchesOf, cycle, drawRows, trainingRows } from './rows.ts';
import { trainInto, TRAINING_FILES } from './training.ts';

/** Column of the score files. */
export const LQS = 'lqs';
/** Column of the proxy file: scored only where the pool is. */
export const LQS_AS_POOL = 'lqs_as_pool';

/** The recipe's model with what follows from its tokenizer and row length. */
export async function modelConfig(context: RunContext): Promise<ModelConfig> {
  const { vocabularySize } = await loadTokenizer(context.path(FILES.tokenizer));
  const { model, samples } = context.recipe;
  return { max_position_embeddings: samples.length, ...model, vocab_size: vocabularySize } as unknown as ModelConfig;
}

/** The annotating model, the annotation itself, and how well its scores tell labels apart. */
export function scoreStages({ recipe }: RunContext): RunStage[] {
  const { score, pretrain, model, seed } = recipe;
  const poolRows = score.pool.rows;
  return [
    {
      name: 'pretrain',
      inputs: ['samples', 'tokenizer'],
      outputs: [FILES.pretrain],
      config: { pretrain, model, seed, poolRows, backend: recipe.backend },
      async run(context, progress) {
        const samples = await context.samples();
        const { rest } = trainingRows(samples, poolRows, seed);
        const languageModel = await LanguageModel.initialize(await modelConfig(context), {
          backend: await context.backend(),
          seed,
        });
        try {
          return await trainInto(context.path(FILES.pretrain), {
            model: languageModel,
            plan: planOf(rest, null, { method: 'shuffle', seed }),
            samples,
            optimization: pretrain,
            checkpointEvery: 100,
            onStep: ({ step }) => progress(step, pretrain.steps, 'steps'),
            signal: context.signal,
          });
        } finally {
          languageModel.dispose();
        }
      },
    },
    {
      name: 'score',
      inputs: ['samples', 'pretrain'],
      outputs: [FILES.scores],
      config: { score, seed },
      run: (context, progress) => annotate(context, (done, total) => progress(done, total, 'rows')),
    },
    {
      name: 'quality',
      inputs: ['score', 'corpus'],
      outputs: [FILES.quality],
      config: { seed },
      async run(context, progress) {
        const quality = await judge(context, (done, total) => progress(done, total, 'rows'));
        await writeTextAtomically(context.path(FILES.quality), JSON.stringify(quality, null, 2));
        return { spearman: quality.spearman };
      },
    },
  ];
}

/** One reverse sweep that scores the proxy rows at many steps and the pool at few. */
async function annotate(context: RunContext, onProgress: (done: number, total: number) => void) {
  const { recipe, signal } = context;
  const { score, seed, pretrain } = recipe;
  const samples = await context.samples();
  const { pool, rest } = trainingRows(samples, score.pool.rows, seed);
  const proxy = drawRows(samples, { split: 'proxy', count: score.proxy.rows, seed });
  const target = drawRows(samples, { split: 'target', domain: score.target.domain, count: score.target.rows, seed });
  const run = cycle(rest, pretrain.steps * pretrain.batch, score.steps * score.batch);
  const proxyBatches = batchesOf(samples, proxy, score.batch);
  const { contribution } = score;
  const model = await LanguageModel.fromPretrained(context.path(FILES.pretrain, TRAINING_FILES.model), {
    backend: await context.backend(),
  });
  const checkpointDir = context.path(FILES.scores, 'sweep');
  try {
    const result = await lqsSweep(model, {
      batches: batchesOf(samples, run, score.batch),
      target: batchesOf(samples, target, score.batch),
      lr: score.lr,
      sets: [
        { batches: batchesOf(samples, pool, score.batch), interval: score.pool.interval, contribution },
        { batches: proxyBatches, interval: score.proxy.interval, contribution },
        { batches: proxyBatches, interval: score.pool.interval, contribution },
      ],
      checkpointDir,
      signal,
      onProgress: ({ done, total }) => onProgress(done, total),
    });
    const [poolScores, proxyScores, proxyAsPool] = result.scores;
    await writeScoreTable(context.path(FILES.poolScores), pool, { [LQS]: poolScores });
    await writeScoreTable(context.path(FILES.proxyScores), proxy, { [LQS]: proxyScores, [LQS_AS_POOL]: proxyAsPool });
    await rm(checkpointDir, { recursive: true, force: true });
    return {
      poolRows: pool.length,
      proxyRows: proxy.length,
      targetRows: target.length,
      poolVisits: visits(score.steps, score.pool.interval),
      proxyVisits: visits(score.steps, score.proxy.interval),
      targetLossBefore: result.targetLosses[0],
      targetLossAfter: result.targetLosses[score.steps],
    };
  } finally {
    model.dispose();
  }
}

/** Multiples of the interval below T. */
const visits = (steps: number, interval: number): number => Math.ceil(steps / interval);

export interface Quality {
  spearman: number | null;
  labels: QualityRow | null;
}

/** Judges scores by the corpus's labels, which no method saw, beside two scores that cost next to nothing. */
async function judge(context: RunContext, onProgress: (done: number, total: number) => void): Promise<Quality> {
  const proxy = await readScoreTable(context.path(FILES.proxyScores), LQS);
  const cheap = await readScoreTable(context.path(FILES.proxyScores), LQS_AS_POOL);
  const rank = proxy.rows.length > 1 ? spearman(proxy.scores, cheap.scores) : NaN;
  const pool = await readScoreTable(context.path(FILES.poolScores), LQS);
  return { spearman: Number.isFinite(rank) ? rank : null, labels: await judgeLabels(context, pool, onProgress) };
}

async function judgeLabels(
  context: RunContext,
  pool: ScoreTable,
  onProgress: (done: number, total: number) => void,
): Promise<QualityRow | null> {
  const [positive, negative] = ['ham', 'spam'];
  const corpus = await context.corpus();
  if (!corpus.columns.includes('label')) return null;
  const samples = await context.samples();
  const label = (row: number) => corpus.value('label', samples.document(row));
  const places = Array.from(pool.rows.keys()).filter((place) =>
    [positive, negative].includes(String(label(pool.rows[place]))),
  );
  const isPositive = places.map((place) => label(pool.rows[place]) === positive);
  const positives = isPositive.filter(Boolean).length;
  const negatives = places.length - positives;
  if (positives === 0 || negatives === 0) return null;

  const model = await LanguageModel.fromPretrained(context.path(join(FILES.pretrain, TRAINING_FILES.model)), {
    backend: await context.backend(),
  });
  try {
    const rows = Uint32Array.from(places, (place) => pool.rows[place]);
    const losses = await rowLosses(model, samples, rows, {
      batchSize: context.recipe.score.batch,
      signal: context.signal,
      onProgress: ({ done, total }) => onProgress(done, total),
    });
    const scores: [string, (i: number) => number][] = [
      ['LQS', (i) => pool.scores[places[i]]],
      ['length of the document', (i) => corpus.text(samples.document(rows[i])).length],
      ['−loss of the annotating model', (i) => -losses[i]],
    ];
    return {
      positive,
      negative,
      positives,
      negatives,
      scores: scores.map(([name, score]) => {
        const values = places.map((_, i) => score(i));
        const side = (wanted: boolean) => values.filter((_, i) => isPositive[i] === wanted);
        return { name, auc: areaUnderCurve(side(true), side(false)) };
      }),
    };
  } finally {
    model.dispose();
  }
}
