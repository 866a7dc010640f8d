import type { BatchList } from '../../data/batch-list.ts';
import { spearman } from '../../evaluate/statistics.ts';
import { lqsSweep, type ScoreSet } from '../../score/lqs.ts';
import type { RunContext } from '../context.ts';
import { batchesOf, cycle, drawRows, trainingRows } from '../rows.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import type { Facts } from '../stage.ts';
import { targetRows } from '../target.ts';
import { addWork, BACKWARD, HESSIAN, workOf } from '../work.ts';
import { withAnnotator } from './annotator.ts';
import { scorerWork, scoresByScorer } from './lqs-scorer.ts';
import type { ScoringCall, ScoringMethod } from './method.ts';
import { annotatorMoments, momentsWork } from './moments.ts';

type Lqs = ScoringOf<'lqs'>;
/** One score a row, by scoring. */
type Scores = Record<string, Float64Array>;

const TITLES: Record<Lqs['contribution'], string> = { released: 'LQS', paper: 'LQS', pds: 'PDS' };

const inAdam = (scorings: Lqs[]): boolean => scorings.some(({ metric }) => metric === 'adam');

/**
 * LQS and its variants: a short SGD run from the annotating model on rows that it has not seen, swept backwards. The pool
 * is scored in the sweep itself, or by a scorer that has learnt the scores of proxy rows. Scorings that differ in
 * `contribution` and `metric` alone read the same gradients.
 */
export const lqsScoring: ScoringMethod<Lqs> = {
  title: ({ contribution, metric, scorer }) =>
    `${TITLES[contribution]}${metric === 'adam' ? ' in Adam’s metric' : ''}${scorer ? ' by a scorer' : ''}`,
  shares: (scoring) => ({ ...scoring, contribution: undefined, metric: undefined }),
  work({ pool, target }, scorings) {
    const { steps, batch, interval, proxy, scorer } = scorings[0];
    const poolVisits = interval === undefined ? 0 : visits(scorings, [interval]);
    const proxyVisits = proxy ? visits(scorings, [proxy.interval, interval ?? proxy.interval]) : 0;
    return addWork(
      workOf(steps * batch, BACKWARD),
      workOf(steps * batch, HESSIAN),
      workOf((steps + 1) * target!.rows + pool.rows * poolVisits + (proxy?.rows ?? 0) * proxyVisits, BACKWARD),
      ...(inAdam(scorings) ? [momentsWork(batch)] : []),
      ...(scorer ? scorings.map(() => scorerWork(scorer, pool.rows)) : []),
    );
  },
  async score(context, call) {
    const names = Object.keys(call.scorings);
    const { scorer } = call.scorings[names[0]];
    const { proxy, fine, asPool, pool, facts } = await sweep(context, call);
    const tables = proxy && {
      [`${names.join('+')}-proxy`]: {
        rows: proxy,
        columns: { ...fine, ...renamed(asPool ?? {}, (name) => `${name}_as_pool`) },
      },
    };
    const carried =
      scorer && (await scoresByScorer(context, { ...call, settings: scorer, proxy: proxy!, scores: fine! }));
    const rank =
      carried?.spearman ?? Object.fromEntries(names.map((name) => [name, agreement(fine?.[name], asPool?.[name])]));
    return {
      scores: carried?.scores ?? pool!,
      tables,
      facts: {
        ...facts,
        ...renamed(rank, (name) => `spearman ${name}`),
        spearmanRows: carried?.heldOutRows ?? proxy?.length ?? 0,
      },
    };
  },
};

interface Swept {
  /** Where no scorer is to give them. */
  pool?: Scores;
  proxy?: Uint32Array;
  /** Of the proxy rows, at steps of their own. */
  fine?: Scores;
  /** Of the proxy rows, at the pool's steps. */
  asPool?: Scores;
  facts: Facts;
}

async function sweep(context: RunContext, { scorings, pool, scratch, onProgress }: ScoringCall<Lqs>): Promise<Swept> {
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
  const proxyBatches = batchesOf(samples, proxy ?? new Uint32Array(), batch);
  const parts: { part: 'pool' | 'fine' | 'asPool'; batches: BatchList; every: number }[] = [];
  if (interval !== undefined) parts.push({ part: 'pool', batches: batchesOf(samples, pool, batch), every: interval });
  if (proxySettings) parts.push({ part: 'fine', batches: proxyBatches, every: proxySettings.interval });
  if (proxySettings && interval !== undefined) parts.push({ part: 'asPool', batches: proxyBatches, every: interval });
  const { scores, targetLosses } = await withAnnotator(context, async (model) => {
    const adam = inAdam(Object.values(scorings)) ? await annotatorMoments(context, model, batch) : undefined;
    const sets = parts.flatMap(({ batches, every }) =>
      names.map((name): ScoreSet => {
        const { contribution, metric } = scorings[name];
        return { batches, interval: every, contribution, metric: metric === 'adam' ? adam : undefined };
      }),
    );
    try {
      return await lqsSweep(model, {
        batches: batchesOf(samples, run, batch),
        target: batchesOf(samples, target, batch),
        lr,
        sets,
        checkpointDir: scratch,
        signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      });
    } finally {
      adam?.dispose();
    }
  });
  const byPart = parts.map(({ part }, p) => [
    part,
    Object.fromEntries(names.map((name, i) => [name, scores[p * names.length + i]])),
  ]);
  return {
    ...(Object.fromEntries(byPart) as Pick<Swept, 'pool' | 'fine' | 'asPool'>),
    proxy,
    facts: {
      targetRows: target.length,
      proxyRows: proxy?.length ?? 0,
      targetLossBefore: targetLosses[0],
      targetLossAfter: targetLosses[steps],
    },
  };
}

/** Iterates at which rows are visited that are scored at multiples of any of the intervals; `paper` looks one further. */
function visits(scorings: Lqs[], intervals: number[]): number {
  const { steps } = scorings[0];
  const ahead = scorings.some(({ contribution }) => contribution === 'paper');
  const scored = (t: number) => t >= 0 && t < steps && intervals.some((interval) => t % interval === 0);
  const iterates = Array.from({ length: steps + 1 }, (_, t) => t);
  return iterates.filter((t) => scored(t) || (ahead && scored(t - 1))).length;
}

/** Rank correlation of the scores at many steps with those at few; null where it means nothing. */
function agreement(fine?: Float64Array, coarse?: Float64Array): number | null {
  if (!fine || !coarse || fine.length < 2) return null;
  const rank = spearman(fine, coarse);
  return Number.isFinite(rank) ? rank : null;
}

function renamed<T>(record: Record<string, T>, rename: (name: string) => string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [rename(name), value]));
}
