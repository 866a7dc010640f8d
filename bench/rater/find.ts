import { areaWithError, rowLosses, scoreRows, type Backend, type RocArea } from 'gradfold';
import { plantedNoise, type PlantedNoise } from '../noise/data.ts';
import { discrimination, type DiscriminationReport } from '../noise/discrimination.ts';
import { areaTable, meanReport } from '../noise/table.ts';
import { learnRater, type Learned, type Reading } from './learn.ts';
import type { RaterBenchOptions } from './settings.ts';

/** Rows that are judged, none of a document that was trained on. */
const JUDGED = {
  evaluation: 'boilerplate lines and languages that occur nowhere else',
  proxy: 'boilerplate lines and languages as in training',
} as const;
type Judged = keyof typeof JUDGED;

interface SeedResult {
  reports: Record<Judged, Record<string, DiscriminationReport>>;
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
      reports: {
        evaluation: await reportsOf(data, learned, data.rows.evaluation),
        proxy: await reportsOf(data, learned, data.rows.proxy),
      },
      readings: learned.readings,
      mails: await mailsOf(data, learned),
    });
    learned.rater.dispose();
    learned.model.dispose();
  }
  const reports = {
    evaluation: { ...curve(results), ...meanOf(results, 'evaluation') },
    proxy: meanOf(results, 'proxy'),
  };
  const setting = `${results.length} seeds, ${options.share} corrupted in training, ${options.outer} outer rows, ${options.steps} meta-steps`;
  const tables = (Object.keys(JUDGED) as Judged[]).map((judged) =>
    areaTable(`rows of unseen documents, ${JUDGED[judged]}; ${setting}`, reports[judged]),
  );
  return { text: [...tables, mailTable(results)].join('\n'), json: { reports, perSeed: results } };
}

function meanOf(results: SeedResult[], judged: Judged): Record<string, DiscriminationReport> {
  return Object.fromEntries(
    Object.keys(results[0].reports[judged]).map((name) => [
      name,
      meanReport(results.map(({ reports }) => reports[judged][name])),
    ]),
  );
}

/** The mean over seeds of what was read on the way. */
function curve(results: SeedResult[]): Record<string, DiscriminationReport> {
  return Object.fromEntries(
    results[0].readings.map(({ step }, i) => {
      const seconds = results.reduce((sum, { readings }) => sum + readings[i].seconds, 0) / results.length;
      const name = `rater, ${step} meta-steps, ${seconds.toFixed(0)} s`;
      return [name, meanReport(results.map(({ readings }) => readings[i].report))];
    }),
  );
}

async function reportsOf(
  data: PlantedNoise,
  { rater, model }: Learned,
  rows: Uint32Array,
): Promise<Record<string, DiscriminationReport>> {
  const corruptions = Array.from(rows, data.corruption);
  const losses = await rowLosses(model, data.samples, rows);
  const scores = {
    'perplexity, low': losses.map((loss) => -loss),
    'perplexity, near the median': nearMedian(losses),
    'rater, end': await scoreRows(rater, data.samples, rows),
  };
  return Object.fromEntries(
    Object.entries(scores).map(([name, values]) => [name, discrimination(values, corruptions)]),
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
