import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { firstCrossing, summarize } from '../../evaluate/statistics.ts';
import type { ReachRow, ReportData } from '../../report/data.ts';
import type { TrainingLogEntry } from '../../train/log.ts';
import type { RunContext } from '../context.ts';
import { trainingDir } from '../plan-training.ts';
import { TRAINING_FILES } from '../training.ts';

type Curves = ReportData['curves'];

/** Validation loss along training by measure where it was taken, training loss otherwise. */
export async function lossCurves(context: RunContext, plans: string[], measures: string[]): Promise<Curves> {
  const { seeds } = context.recipe.train;
  const validated = context.recipe.evaluate.curve !== undefined;
  const points: Curves['points'] = [];
  for (const plan of plans) {
    for (const seed of seeds) {
      for (const { step, loss, validation } of await readLog(context.path(trainingDir(plan, seed)))) {
        if (!validated) points.push({ plan, seed, measure: 'rows trained on', step, loss });
        for (const measure of validation ? measures : []) {
          points.push({ plan, seed, measure, step, loss: validation![measure] });
        }
      }
    }
  }
  return { kind: validated ? 'validation' : 'training', points };
}

/** The log of a training that `trainInto` made in `dir`. */
export async function readLog(dir: string): Promise<TrainingLogEntry[]> {
  const log = await readFile(join(dir, TRAINING_FILES.log), 'utf8');
  return log
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as TrainingLogEntry);
}

/**
 * When each plan's curve first comes down to the last point of the baseline's curve with the same seed, linear between
 * validations.
 */
export function reachesOf(
  { kind, points }: Curves,
  plans: string[],
  seeds: number[],
  measures: string[],
): ReportData['reaches'] {
  if (kind === 'training') return [];
  const curve = (plan: string, seed: number, measure: string) =>
    points.filter((point) => point.plan === plan && point.seed === seed && point.measure === measure);
  const row = (plan: string, measure: string): Omit<ReachRow, 'speed'> => {
    const perSeed = seeds.map((seed) =>
      firstCrossing(curve(plan, seed, measure), curve(plans[0], seed, measure).at(-1)!.loss),
    );
    const reached = perSeed.filter((step) => step !== null);
    if (reached.length < seeds.length) return { plan, perSeed, mean: null, sd: null };
    const { mean, standardDeviation } = summarize(reached);
    return { plan, perSeed, mean, sd: seeds.length > 1 ? standardDeviation : 0 };
  };
  return measures.map((measure) => {
    const rows = plans.map((plan) => row(plan, measure));
    const own = rows[0].mean!; // a curve is down to its last point at its end, if not before
    return { measure, plans: rows.map((each) => ({ ...each, speed: each.mean === null ? null : own / each.mean })) };
  });
}
