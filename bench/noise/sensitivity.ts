import type { Backend } from 'gradfold';
import { plantedNoise, type PlantedNoise } from './data.ts';
import { discrimination, type DiscriminationReport } from './discrimination.ts';
import { AGE, AGES, annotation } from './find.ts';
import { trainedModel } from './model.ts';
import type { NoiseOptions } from './options.ts';
import { annotate, type Annotation } from './scores.ts';
import { areaTable, meanReport } from './table.ts';

const SCORE = 'LQS released';

interface Variation {
  name: string;
  /** Ages at which the annotation starts; scores of several are standardised and averaged. */
  ages?: readonly number[];
  settings?: (data: PlantedNoise) => Partial<Annotation>;
}

const BASE = `age ${AGE}, lr 0.01, T 50, every 10th, 128 targets`;

/** The base settings with one of them changed. */
const VARIATIONS: Variation[] = [
  { name: BASE },
  ...[100, 200, 600].map((age) => ({ name: `age ${age}`, ages: [age] })),
  { name: `ages ${AGES.join(', ')}, averaged`, ages: AGES },
  ...[0.003, 0.03, 0.1].map((lr) => ({ name: `lr ${lr}`, settings: () => ({ lr }) })),
  ...[10, 25, 100].map((steps) => ({ name: `T ${steps}`, settings: () => ({ steps, interval: steps / 5 }) })),
  ...[5, 25, 50].map((interval) => ({ name: `every ${interval}th step`, settings: () => ({ interval }) })),
  ...[32, 512].map((count) => ({
    name: `${count} targets`,
    settings: (data: PlantedNoise) => ({ target: data.rows.target.slice(0, count) }),
  })),
  {
    name: 'targets of the domain speeches only',
    settings: (data) => ({
      target: data.rows.target.filter((row) => data.samples.domain(row) === 'speeches').slice(0, 128),
    }),
  },
  { name: 'targets as corrupted as the rest', settings: (data) => ({ target: data.rows.mixture.slice(0, 128) }) },
  {
    name: 'averaged ages, 512 targets',
    ages: AGES,
    settings: (data) => ({ target: data.rows.target.slice(0, 512) }),
  },
];

/** The area of LQS at settings around the base. */
export async function sensitivity(backend: Backend, options: NoiseOptions): Promise<{ text: string; json: object }> {
  const reports = new Map<string, DiscriminationReport[]>(VARIATIONS.map(({ name }) => [name, []]));
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const rows = data.rows[options.rows];
    const corruptions = Array.from(rows, data.corruption);
    const ages = [...new Set(VARIATIONS.flatMap(({ ages = [AGE] }) => ages))];
    const { model, snapshots } = await trainedModel(data, {
      backend,
      seed,
      rows: data.rows.train,
      ages,
      cacheDir: options.cacheDir,
    });
    for (const { name, ages = [AGE], settings } of VARIATIONS) {
      const sum = new Float64Array(rows.length);
      for (const age of ages) {
        const snapshot = snapshots.find((one) => one.age === age)!;
        const { [SCORE]: scores } = await annotate(data, model, snapshot, rows, annotation(data, settings?.(data)), [
          SCORE,
        ]);
        standardised(scores).forEach((z, i) => (sum[i] += z / ages.length));
      }
      const report = discrimination(sum, corruptions);
      reports.get(name)!.push(report);
      options.onProgress(`seed ${seed}: ${name}: ${report.all.area.toFixed(3)}`);
    }
    model.dispose();
  }
  const means = Object.fromEntries([...reports].map(([name, found]) => [name, meanReport(found)]));
  return {
    text: areaTable(`${SCORE}, one setting changed`, means),
    json: { means, perSeed: Object.fromEntries(reports) },
  };
}

function standardised(scores: Float64Array): Float64Array {
  const mean = scores.reduce((sum, x) => sum + x, 0) / scores.length;
  const deviation = Math.sqrt(scores.reduce((sum, x) => sum + (x - mean) ** 2, 0) / scores.length);
  return scores.map((x) => (x - mean) / deviation);
}
