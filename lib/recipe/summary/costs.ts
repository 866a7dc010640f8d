import { gainOverSeeds } from '../../evaluate/matched-loss.ts';
import type { ReportData, Saving, ScoringRow } from '../../report/data.ts';
import { trainingStage } from '../plan-training.ts';
import type { Recipe } from '../schema.ts';
import { SCORING_NEEDS } from '../scoring-schema.ts';
import { stageOfScoring, stagesOfScorings } from '../score-stages.ts';
import { methodOf, sourcesOf } from '../scorings/index.ts';
import type { Stamp } from '../stage.ts';
import { addWork, forwardFlops, trainingWork } from '../work.ts';

type Stamps = Record<string, Stamp>;

/** Wall time by stage, all trainings as one. */
export function stageCosts(stamps: Stamps): ReportData['cost'] {
  const rows = new Map<string, number>();
  for (const [name, { seconds }] of Object.entries(stamps)) {
    const stage = name.startsWith('train ') ? 'train, all plans and seeds' : name;
    rows.set(stage, (rows.get(stage) ?? 0) + seconds);
  }
  return [...rows].map(([stage, seconds]) => ({ stage, seconds }));
}

/**
 * What a scoring cost, alone: the annotating model it needs, its whole stage, and those of scorings it is made from;
 * `trainingFlops` is the part that went into training what scores.
 */
export function scoringCost(
  recipe: Recipe,
  stamps: Stamps,
  name: string,
): Pick<ScoringRow, 'seconds' | 'flops' | 'trainings' | 'sharedWith'> & { trainingFlops: number } {
  const { scores } = recipe;
  const stage = stageOfScoring(scores, name);
  const names = [name, ...sourcesOf(scores[name])];
  const stages = new Set(names.map((each) => stageOfScoring(scores, each)));
  const pretrained = names.some((each) => SCORING_NEEDS[scores[each].method].includes('pretrain'));
  const pretraining = pretrained ? [trainingWork(recipe.pretrain!)] : [];
  const work = addWork(...names.map((each) => methodOf(scores[each]).work(recipe, [scores[each]])), ...pretraining);
  const training = addWork(
    ...names.flatMap((each) => methodOf(scores[each]).training?.(recipe, [scores[each]]) ?? []),
    ...pretraining,
  );
  const flopsARow = forwardFlops(recipe, vocabularyOf(stamps));
  const seconds = [...stages, ...(pretrained ? ['pretrain'] : [])].map((each) => stamps[each].seconds);
  return {
    seconds: seconds.reduce((sum, x) => sum + x, 0),
    flops: work.forwards * flopsARow,
    trainingFlops: training.forwards * flopsARow,
    trainings: work.forwards / trainingWork(recipe.train).forwards,
    sharedWith: Object.keys(stagesOfScorings(scores)[stage]).filter((other) => other !== name),
  };
}

const vocabularyOf = (stamps: Stamps): number => Number(stamps.tokenizer.facts.vocabulary);

/**
 * What each plan by a scoring saves and costs in compute at matched loss, by measure. The whole pool is scored before
 * training, whatever becomes of it; rows that are not in the plan count as dropped.
 */
export function planGains(
  recipe: Recipe,
  stamps: Stamps,
  { plans, curves }: Pick<ReportData, 'plans' | 'curves'>,
  measures: string[],
): ReportData['gains'] {
  const scored = plans.flatMap(({ name, scoring }) => (scoring === null ? [] : [{ plan: name, scoring }]));
  if (curves.kind === 'training' || scored.length === 0) return undefined;
  const { seeds, steps, batch } = recipe.train;
  const pool = recipe.pool.rows;
  const stepFlops = trainingWork({ steps: 1, batch }).forwards * forwardFlops(recipe, vocabularyOf(stamps));
  const curvesOf = (plan: string, measure: string) =>
    seeds.map((seed) => curves.points.filter((x) => x.plan === plan && x.seed === seed && x.measure === measure));
  return measures.map((measure) => ({
    measure,
    plans: scored.map(({ plan, scoring }) => {
      const { flops, trainingFlops } = scoringCost(recipe, stamps, scoring);
      const kept = Math.min(1, Number(stamps[trainingStage(plan, seeds[0])].facts.planRows) / pool);
      const scoringFlops = (flops - trainingFlops) / pool;
      const costs = { stepFlops, baselineSteps: steps, kept, scoringFlops, pool, metaFlops: trainingFlops };
      return { plan, scoring, gain: gainOverSeeds(costs, curvesOf(plans[0].name, measure), curvesOf(plan, measure)) };
    }),
  }));
}

/** What the quickest plan by a scoring saves of the steps that the baseline itself needs, against what the scoring cost. */
export function savingsOf(
  { plans, reaches, steps }: Pick<ReportData, 'plans' | 'reaches' | 'steps'>,
  scoring: string,
  trainings: number,
): Saving[] {
  const ofScoring = new Set(plans.filter((plan) => plan.scoring === scoring).map(({ name }) => name));
  return reaches.map(({ measure, plans: rows }) => {
    const own = rows[0].mean!;
    const quickest = rows
      .filter(({ plan, mean }) => ofScoring.has(plan) && mean !== null && mean < own)
      .sort((a, b) => a.mean! - b.mean!)[0];
    if (!quickest) return { measure, plan: null, share: 0, paysAfter: null };
    const saved = own - quickest.mean!;
    return { measure, plan: quickest.plan, share: saved / own, paysAfter: (trainings * steps) / saved };
  });
}
