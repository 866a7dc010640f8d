import type { BatchList } from '../../data/batch-list.ts';
import { spearman } from '../../evaluate/statistics.ts';
import { lqsSweep, type ScoreSet } from '../../score/lqs.ts';
import { batchesOf, cycle, drawRows, trainingRows } from '../rows.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { targetRows } from '../target.ts';
import { addWork, BACKWARD, HESSIAN, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import type { ScoringMethod } from './method.ts';

type Lqs = ScoringOf<'lqs'>;

const TITLES: Record<Lqs['contribution'], string> = { released: 'LQS', paper: 'LQS (paper)', pds: 'PDS' };

/**
 * LQS and its variants: a short SGD run from the annotating model on rows that it has not seen, swept backwards. Scorings
 * that differ in `contribution` alone read the same gradients.
 */
export const lqsScoring: ScoringMethod<Lqs> = {
  title: ({ contribution }) => TITLES[contribution],
  shares: (scoring) => ({ ...scoring, contribution: undefined }),
  work: ({ pool, target }, scorings) => {
    const { steps, batch, interval, proxy } = scorings[0];
    const poolVisits = visits(scorings, interval);
    const proxyRows = proxy ? proxy.rows * visits(scorings, proxy.interval, interval) : 0;
    return addWork(
      workOf(steps * batch, BACKWARD),
      workOf(steps * batch, HESSIAN),
      workOf((steps + 1) * target!.rows + pool.rows * poolVisits + proxyRows, BACKWARD),
    );
  },
  async score(context, { scorings, pool, scratch, onProgress }) {
    const { recipe, signal } = context;
    const { seed, pretrain } = recipe;
    const names = Object.keys(scorings);
    const { steps, batch, lr, interval, proxy: proxySettings } = scorings[names[0]];
    const samples = await context.samples();
    const target = await targetRows(context);
    const { rest } = trainingRows(samples, recipe.pool.rows, seed);
    // Rows that the annotating model has not been trained on.
    const run = cycle(rest, pretrain!.steps * pretrain!.batch, steps * batch);
    const proxy = proxySettings && drawRows(samples, { split: 'proxy', count: proxySettings.rows, seed });
    const proxyBatches = proxy ? batchesOf(samples, proxy, batch) : [];
    const setsOf = (batches: BatchList, every: number): ScoreSet[] =>
      names.map((name) => ({ batches, interval: every, contribution: scorings[name].contribution }));
    const result = await withAnnotator(context, (model) =>
      lqsSweep(model, {
        batches: batchesOf(samples, run, batch),
        target: batchesOf(samples, target, batch),
        lr,
        sets: [
          ...setsOf(batchesOf(samples, pool, batch), interval),
          ...(proxy ? [...setsOf(proxyBatches, proxySettings.interval), ...setsOf(proxyBatches, interval)] : []),
        ],
        checkpointDir: scratch,
        signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      }),
    );
    const byName = (from: number) => Object.fromEntries(names.map((name, i) => [name, result.scores[from + i]]));
    const fine = proxy && byName(names.length);
    const asPool = proxy && byName(2 * names.length);
    return {
      scores: byName(0),
      tables: proxy && {
        [`${names.join('+')}-proxy`]: {
          rows: proxy,
          columns: { ...fine, ...Object.fromEntries(names.map((name) => [`${name}_as_pool`, asPool![name]])) },
        },
      },
      facts: {
        targetRows: target.length,
        proxyRows: proxy?.length ?? 0,
        ...Object.fromEntries(names.map((name) => [`spearman ${name}`, agreement(fine?.[name], asPool?.[name])])),
        targetLossBefore: result.targetLosses[0],
        targetLossAfter: result.targetLosses[steps],
      },
    };
  },
};

/** Iterates at which rows are visited that are scored at multiples of any of the intervals; `paper` looks one further. */
function visits(scorings: Lqs[], ...intervals: number[]): number {
  const ahead = scorings.some(({ contribution }) => contribution === 'paper');
  const scored = (t: number) => t >= 0 && t < scorings[0].steps && intervals.some((interval) => t % interval === 0);
  const iterates = Array.from({ length: scorings[0].steps + 1 }, (_, t) => t);
  return iterates.filter((t) => scored(t) || (ahead && scored(t - 1))).length;
}

/** Rank correlation of the scores at many steps with those at few; null where it means nothing. */
function agreement(fine?: Float64Array, coarse?: Float64Array): number | null {
  if (!fine || !coarse || fine.length < 2) return null;
  const rank = spearman(fine, coarse);
  return Number.isFinite(rank) ? rank : null;
}
