import { areaWithError, rowLosses, scoreRows, type Backend, type RocArea } from 'gradfold';
import { plantedNoise, type PlantedNoise } from '../noise/data.ts';
import { discrimination, type DiscriminationReport } from '../noise/discrimination.ts';
import { areaTable, meanReport } from '../noise/table.ts';
import { learnRater, type Learned, type Reading } from './learn.ts';
import type { RaterBenchOptions } from './settings.ts';

interface SeedResult {
  reports: Record<string, DiscriminationReport>;
  readings: Reading[];
  /** Ham scored above spam, by score. */
  mails: Record<string, RocArea>;
}

/** How well the rater tells clean rows from corrupted ones, on the way and in the end, beside scores that need none. */
export async function find(backend: Backend, options: RaterBenchOptions): Promise<{ text: string; json: object }> {
  const results: SeedResult[] = [];
  for (const seed of options.seeds) {
    const data = await plantedNoise({ ...options, seed });
    const learned = await learnRater(data, backend, options, seed);
    results.push({
      reports: await reportsOf(data, learned),
      readings: learned.readings,
      mails: await mailsOf(data, learned),
    });
    learned.rater.dispose();
    learned.model.dispose();
  }
  const names = Object.keys(results[0].reports);
  const reports = Object.fromEntries(
    names.map((name) => [name, meanReport(results.map((result) => result.reports[name]))]),
  );
  const title = `rows of unseen documents over ${results.length} seeds, ${options.share} corrupted in training, ${options.outer} outer rows, ${options.steps} meta-steps`;
  return {
    text: [areaTable(title, { ...curve(results), ...reports }), mailTable(results)].join('\n'),
    json: { reports, perSeed: results },
  };
}

/** The mean over seeds of what was read on the way. */
function curve(results: SeedResult[]): Record<string, DiscriminationReport> {
  return Object.fromEntries(
    results[0].readings.slice(0, -1).map(({ step }, i) => {
      const seconds = results.reduce((sum, { readings }) => sum + readings[i].seconds, 0) / results.length;
      const name = `rater, ${step} meta-steps, ${seconds.toFixed(0)} s`;
      return [name, meanReport(results.map(({ readings }) => readings[i].report))];
    }),
  );
}

async function reportsOf(data: PlantedNoise, { rater, model, readings }: Learned): Promise<SeedResult['reports']> {
  const rows = data.rows.evaluation;
  const corruptions = Array.from(rows, data.corruption);
  const scores = {
    'perplexity, low': (await rowLosses(model, data.samples, rows)).map((loss) => -loss),
    'perplexity, near the median': nearMedian(await rowLosses(model, data.samples, rows)),
    rater: await scoreRows(rater, data.samples, rows),
  };
  return Object.fromEntries(
    Object.entries(scores).map(([name, values]) => [
      name === 'rater' ? `rater, end, ${readings.at(-1)!.seconds.toFixed(0)} s` : name,
      discrimination(values, corruptions),
    ]),
  );
}

function nearMedian(losses: Float64Array): Float64Array {
  const median = losses.toSorted()[losses.length >> 1];
  return losses.map((loss) => -Math.abs(loss - median));
}

const count = (pattern: RegExp) => (text: string) => text.match(pattern)?.length ?? 0;

/** Of a row's text; less is taken for ham. */
const TEXT_SCORES: Record<string, (text: string) => number> = {
  'fewer characters': (text) => text.length,
  'fewer capitals': (text) => count(/\p{Lu}/gu)(text) / text.length,
  'fewer exclamation marks': count(/!/g),
};

/** How well ham is told from spam, whose labels no score has seen; clean mails of the evaluation and validation rows. */
async function mailsOf(data: PlantedNoise, { rater, model }: Learned): Promise<Record<string, RocArea>> {
  const { samples, tokenizer } = data;
  const rows = Uint32Array.from([...data.rows.evaluation, ...data.rows.validation]).filter(
    (row) => data.corruption(row) === 'none' && ['ham', 'spam'].includes(data.mailLabel(row) ?? ''),
  );
  const texts = Array.from(rows, (row) => tokenizer.decode(samples.tokens(row)));
  const scores: Record<string, ArrayLike<number>> = {
    rater: await scoreRows(rater, samples, rows),
    'perplexity, low': (await rowLosses(model, samples, rows)).map((loss) => -loss),
    ...Object.fromEntries(
      Object.entries(TEXT_SCORES).map(([name, measure]) => [name, texts.map((text) => -measure(text))]),
    ),
  };
  const labelled = (values: ArrayLike<number>, label: string) =>
    Array.from(values).filter((_, i) => data.mailLabel(rows[i]) === label);
  return Object.fromEntries(
    Object.entries(scores).map(([name, values]) => [
      name,
      areaWithError(labelled(values, 'ham'), labelled(values, 'spam')),
    ]),
  );
}

function mailTable(results: SeedResult[]): string {
  const lines = Object.keys(results[0].mails).map((name) => {
    const areas = results.map(({ mails }) => mails[name].area.toFixed(3));
    return `${name.padEnd(34)}${areas.join('  ')}`;
  });
  return [`ham scored above spam, by seed`, ...lines, ''].join('\n');
}
