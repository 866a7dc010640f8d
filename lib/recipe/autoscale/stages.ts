import { readFile } from 'node:fs/promises';
import { writeTextAtomically } from '../../atomic-file.ts';
import { domainPools } from '../../mix/sampler.ts';
import { domainQuotas } from '../../mix/quotas.ts';
import { randomMixtures } from '../../mix/regression.ts';
import { readMixResults, writeMixResults } from '../../mix/results.ts';
import type { MixtureFindings } from '../../report/autoscale-data.ts';
import { dataStages } from '../data-stages.ts';
import type { RunEvent, Stage, StageProgress } from '../stage.ts';
import { averageLoss, folderOf, searchDdo } from './ddo-search.ts';
import { regressionSize } from './estimate.ts';
import { runJobs, type PoolOptions } from './job-pool.ts';
import { comparedMixtures, findMixtures, MIXTURES, type RandomRun } from './mixtures.ts';
import type { AutoscaleRecipe } from './schema.ts';
import { baseQuotas, jobSettings, searchedScales, searchFactors, type AutoscaleContext } from './settings.ts';
import type { JobRecord, TrainingJob } from './training-job.ts';

type AutoscaleStage = Stage<AutoscaleContext>;

/** The files of such a run, beside those of its data. */
export const MIX_FILES = {
  search: (rows: number) => `search-${rows}/`,
  random: 'random/',
  compare: 'compare/',
  results: 'results.csv',
  findings: 'mixtures.json',
} as const;

const searchStage = (rows: number): string => `search at ${rows} rows`;
const RANDOM = 'random mixtures';
const FINDINGS = 'mixtures';
const COMPARE = 'compare';

/** From documents to the comparison: data, a search a scale, random small runs, the mixtures, their trainings. */
export async function autoscaleStages(context: AutoscaleContext): Promise<AutoscaleStage[]> {
  const { recipe } = context;
  const scales = searchedScales(recipe.scales);
  return [
    ...(await dataStages(context)),
    ...scales.map((rows) => searching(recipe, rows)),
    drawing(recipe),
    finding(recipe, scales),
    comparing(recipe),
  ];
}

/** Everything that a training depends on besides its mixture and what judges it. */
const trainingConfig = ({ model, maskShare, train, backend, domains, seed }: AutoscaleRecipe) => ({
  model,
  maskShare,
  train,
  backend: [backend.name, backend.precision],
  domains,
  seed,
});

function searching(recipe: AutoscaleRecipe, rows: number): AutoscaleStage {
  const { search, measure } = recipe;
  const { up, down, seeds, base = null } = search;
  const dir = MIX_FILES.search(rows);
  return {
    name: searchStage(rows),
    inputs: ['samples', 'tokenizer'],
    outputs: [dir, `${dir}${MIX_FILES.results}`],
    config: { ...trainingConfig(recipe), rows, up, down, seeds, base, measure },
    async run(context, progress) {
      const { runs, records } = await searchDdo({
        ...(await poolOptions(context, dir, 'search', progress)),
        title: searchStage(rows),
        base: baseQuotas(recipe, rows),
        factors: searchFactors(search),
        seeds,
        weights: measure.weights,
      });
      await writeMixResults(context.path(dir, MIX_FILES.results), runs);
      return costOf(records);
    },
  };
}

function drawing(recipe: AutoscaleRecipe): AutoscaleStage {
  const { domains, seed, measure, search } = recipe;
  const { rows, runs } = regressionSize(recipe);
  return {
    name: RANDOM,
    inputs: ['samples', 'tokenizer'],
    outputs: [MIX_FILES.random, `${MIX_FILES.random}${MIX_FILES.findings}`],
    config: { ...trainingConfig(recipe), rows, runs, measure, jobSeed: search.seeds[0] },
    async run(context, progress) {
      const mixtures = randomMixtures({ domains: domains.length, count: runs, seed });
      const jobs = mixtures.map((weights, i): TrainingJob => {
        const quotas = domainQuotas(Object.fromEntries(domains.map((domain, d) => [domain, weights[d]])), rows);
        return { name: String(i), quotas, seed: search.seeds[0] };
      });
      const pool = await poolOptions(context, MIX_FILES.random, 'search', progress);
      const records = await runJobs(jobs, { ...pool, title: RANDOM });
      const drawn = records.map(({ job, losses }): RandomRun => {
        const weights = domains.map((domain) => job.quotas[domain] / rows);
        return { weights, loss: averageLoss(losses, measure.weights) };
      });
      await writeJson(context.path(MIX_FILES.random, MIX_FILES.findings), drawn);
      return costOf(records);
    },
  };
}

function finding(recipe: AutoscaleRecipe, scales: number[]): AutoscaleStage {
  const { search, compare, measure, domains } = recipe;
  return {
    name: FINDINGS,
    inputs: [...scales.map(searchStage), RANDOM],
    outputs: [MIX_FILES.findings],
    config: { floor: search.floor, form: compare.regression.form, scales: recipe.scales, measure, domains },
    async run(context) {
      const runs = Object.fromEntries(
        await Promise.all(
          scales.map(async (rows) => {
            const path = context.path(MIX_FILES.search(rows), MIX_FILES.results);
            return [rows, await readMixResults(path)] as const;
          }),
        ),
      );
      const random = await readJson<RandomRun[]>(context.path(MIX_FILES.random, MIX_FILES.findings));
      const pools = domainPools(await context.samples());
      const sizes = Object.fromEntries(domains.map((domain) => [domain, pools[domain].length]));
      const findings = findMixtures(recipe, { runs, random, sizes });
      await writeJson(context.path(MIX_FILES.findings), findings);
      for (const warning of findings.small.warnings) context.note(warning);
      return {};
    },
  };
}

/** One training a mixture and seed. */
export interface Compared {
  mixture: string;
  seed: number;
  record: JobRecord;
}

function comparing(recipe: AutoscaleRecipe): AutoscaleStage {
  const { domains, scales, compare } = recipe;
  return {
    name: COMPARE,
    inputs: ['samples', 'tokenizer', FINDINGS],
    outputs: [MIX_FILES.compare, `${MIX_FILES.compare}${MIX_FILES.findings}`],
    config: { ...trainingConfig(recipe), seeds: compare.seeds, rowsPerDomain: compare.rowsPerDomain },
    async run(context, progress) {
      const findings = await readJson<MixtureFindings>(context.path(MIX_FILES.findings));
      const planned = comparedMixtures(recipe).flatMap((mixture) => {
        const weights = MIXTURES[mixture].weights(findings)!;
        const quotas = domainQuotas(
          Object.fromEntries(domains.map((domain, d) => [domain, weights[d]])),
          scales.target,
        );
        return compare.seeds.map((seed) => ({ mixture, seed, quotas }));
      });
      const jobs = planned.map(({ mixture, seed, quotas }): TrainingJob => {
        return { name: folderOf(mixture, seed), quotas, seed };
      });
      const pool = await poolOptions(context, MIX_FILES.compare, 'compare', progress);
      const records = await runJobs(jobs, { ...pool, title: COMPARE });
      const compared = planned.map(({ mixture, seed }, i): Compared => ({ mixture, seed, record: records[i] }));
      await writeJson(context.path(MIX_FILES.compare, MIX_FILES.findings), compared);
      return costOf(records);
    },
  };
}

async function poolOptions(
  context: AutoscaleContext,
  folder: string,
  purpose: 'search' | 'compare',
  progress: StageProgress,
): Promise<Omit<PoolOptions, 'title'>> {
  return {
    dir: context.path(folder),
    settings: await jobSettings(context, purpose),
    processes: context.recipe.processes,
    signal: context.signal,
    onEvent: (event) => tell(context, event, progress),
  };
}

/** A stage of many trainings says of each what it is, and counts the steps of all. */
function tell({ note }: AutoscaleContext, event: RunEvent, progress: StageProgress): void {
  if (event.kind === 'progress') progress(event.done, event.total, event.unit);
  if (event.kind === 'finish' && !event.skipped)
    note(`  ${event.index + 1}/${event.count} ${event.stage}: ${event.seconds.toFixed(1)} s`);
}

function costOf(records: readonly JobRecord[]) {
  const sum = (of: (record: JobRecord) => number) => records.reduce((total, record) => total + of(record), 0);
  return {
    runs: records.length,
    steps: sum(({ steps }) => steps),
    tokens: sum(({ tokens }) => tokens),
    trainingSeconds: sum(({ seconds }) => seconds),
  };
}

const writeJson = (path: string, value: unknown): Promise<void> =>
  writeTextAtomically(path, `${JSON.stringify(value, null, 2)}\n`);

/** What an earlier stage of the same run wrote. */
export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
