import type { Backend } from 'gradfold';
import { plantedNoise, type PlantedNoise } from './data.ts';
import { discrimination, type DiscriminationReport } from './discrimination.ts';
import { BATCH_ROWS, trainedModel } from './model.ts';
import type { NoiseOptions } from './options.ts';
import { annotate, oneStep, textScores, type Annotation, type Scores } from './scores.ts';
import { areaTable, meanReport } from './table.ts';

/** Steps of training before annotation. */
export const AGE = 400;
/** What is averaged over when several ages are. */
export const AGES = [200, 400, 600];

/** Settings of an annotation; training rows come after those that the model was trained on. */
export function annotation(data: PlantedNoise, changed: Partial<Annotation> = {}): Annotation {
  const seen = Math.max(...AGES) * BATCH_ROWS;
  return {
    lr: 0.01,
    steps: 50,
    interval: 10,
    training: data.rows.train.slice(seen),
    target: data.rows.target.slice(0, 128),
    ...changed,
  };
}

/** All scores of the same rows, and how well each of them tells the clean rows from the corrupted ones. */
export async function find(backend: Backend, options: NoiseOptions): Promise<{ text: string; json: object }> {
  const perSeed: Record<string, DiscriminationReport>[] = [];
  let scored = 0;
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const rows = data.rows[options.rows];
    const corruptions = Array.from(rows, data.corruption);
    options.onProgress(`seed ${seed}: scoring ${rows.length} rows`);
    const scores = await allScores(data, backend, { ...options, seed }, rows);
    perSeed.push(
      Object.fromEntries(Object.entries(scores).map(([name, values]) => [name, discrimination(values, corruptions)])),
    );
    scored += rows.length;
  }
  const reports = Object.fromEntries(
    Object.keys(perSeed[0]).map((name) => [name, meanReport(perSeed.map((reports) => reports[name]))]),
  );
  const title = `${scored} ${options.rows} rows over ${options.seeds.length} seeds, ${options.share} corrupted in training`;
  return { text: areaTable(title, reports), json: { reports, perSeed } };
}

async function allScores(
  data: PlantedNoise,
  backend: Backend,
  options: { seed: number; cacheDir: string },
  rows: Uint32Array,
): Promise<Scores> {
  const { model, snapshots } = await trainedModel(data, { ...options, backend, rows: data.rows.train, ages: AGES });
  const settings = annotation(data);
  const snapshot = snapshots.find(({ age }) => age === AGE)!;
  const scores = {
    ...(await annotate(data, model, snapshot, rows, settings)),
    ...(await oneStep(data, model, snapshot, rows, settings)),
    ...(await textScores(data, model, snapshot, rows)),
  };
  model.dispose();
  return scores;
}
