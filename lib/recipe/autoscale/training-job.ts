import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporary, writeTextAtomically } from '../../atomic-file.ts';
import type { Backend } from '../../backend/types.ts';
import { MaskedSamples, type MaskingOptions } from '../../data/mlm.ts';
import type { Samples, Split } from '../../data/samples.ts';
import { evaluatePerplexity } from '../../evaluate/perplexity.ts';
import { parseJsonObject } from '../../files.ts';
import { rowsOf } from '../../mix/ddo.ts';
import { domainPools, mixturePlan, type DomainPools, type DomainUse } from '../../mix/sampler.ts';
import type { ModelConfig } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { digest, digestRows } from '../../train/fingerprint.ts';
import type { BackendSettings } from '../backend.ts';
import { drawRows } from '../rows.ts';
import type { Optimization } from '../schema.ts';
import { hashOf } from '../stage.ts';
import { trainInto, TRAINING_FILES } from '../training.ts';

/** One training on a mixture, as plain data: another process can be handed it. */
export interface TrainingJob {
  /** Its folder among those of the same experiment. */
  name: string;
  /** Rows of each domain. */
  quotas: Record<string, number>;
  /** Decides the initial parameters, the order of each domain's rows and the masks. */
  seed: number;
}

/** What all trainings of an experiment share, as plain data. */
export interface JobSettings {
  /** Path of the samples. */
  samples: string;
  model: ModelConfig;
  /** The steps come from the rows of a job; `warmup` is a share of them. */
  optimization: Omit<Optimization, 'steps'>;
  /** For a model of masked tokens. */
  masks?: Omit<MaskingOptions, 'seed'>;
  /** The rows, and their masks, that all jobs are judged on: up to so many of each domain of a split. */
  measure: { split: Split; domains: string[]; rowsPerDomain: number; batch: number; seed: number };
  checkpointEvery: number;
  /** Threads of each process that trains; 0: as many as there are. */
  backend: BackendSettings;
  /** Keep the trained models. */
  keepModels: boolean;
}

/** What a finished training leaves, as record.json of its folder. */
export interface JobRecord {
  format: 1;
  /** Of everything that the result depends on. */
  hash: string;
  job: TrainingJob;
  domains: DomainUse[];
  steps: number;
  tokens: number;
  seconds: number;
  /** Loss on the measured rows by domain, in nats per predicted token. */
  losses: Record<string, number>;
  finished: string;
}

export const JOB_FILES = { record: 'record.json', started: 'started.json' } as const;

/** What jobs of one experiment read; opened once. */
export class JobData {
  readonly settings: JobSettings;
  readonly samples: Samples;
  readonly pools: DomainPools;
  /** Rows that all jobs are judged on. */
  readonly held: Uint32Array;
  readonly #heldDigest: string;

  constructor(settings: JobSettings, samples: Samples) {
    const { split, domains, rowsPerDomain: count, seed } = settings.measure;
    this.settings = settings;
    this.samples = samples;
    this.pools = domainPools(samples);
    this.held = Uint32Array.from(domains.flatMap((domain) => [...drawRows(samples, { split, domain, count, seed })]));
    this.#heldDigest = digest([this.held, digestRows(samples, this.held)]);
  }

  plan({ quotas, seed }: TrainingJob) {
    return mixturePlan(this.pools, quotas, { seed });
  }

  stepsOf({ quotas }: TrainingJob): number {
    return Math.ceil(rowsOf(quotas) / this.settings.optimization.batch);
  }

  /** Of everything that a job's result depends on, but for the number of threads, which changes its last bits. */
  hash(job: TrainingJob): string {
    const { samples: _, backend, checkpointEvery: __, keepModels: ___, ...settings } = this.settings;
    const { plan } = this.plan(job);
    return hashOf({
      settings,
      backend: [backend.name, backend.precision],
      seed: job.seed,
      plan: digest([plan.rows]),
      tokens: digestRows(this.samples, plan.rows),
      held: this.#heldDigest,
    });
  }
}

/** The record of a job that is finished; undefined where it is not, or where it was another job that left it. */
export async function finishedRecord(dir: string, job: TrainingJob, hash: string): Promise<JobRecord | undefined> {
  const record = await readIfThere<JobRecord>(join(dir, job.name, JOB_FILES.record));
  return record?.hash === hash ? { ...record, job } : undefined;
}

/**
 * Trains on a mixture and judges the result, in `dir`/NAME. A job that was killed goes on from its last checkpoint; what
 * another job has left there is removed.
 */
export async function runJob(
  dir: string,
  job: TrainingJob,
  data: JobData,
  { backend, signal, onStep }: { backend: Backend; signal?: AbortSignal; onStep?: (step: number) => void },
): Promise<JobRecord> {
  const { settings, held } = data;
  const { optimization, measure, masks } = settings;
  const folder = join(dir, job.name);
  const hash = data.hash(job);
  await claimFolder(folder, hash);
  const { plan, domains } = data.plan(job);
  const steps = data.stepsOf(job);
  const model = await LanguageModel.initialize(settings.model, { backend, seed: job.seed, signal });
  try {
    const masked = (seed: number) => (masks ? new MaskedSamples(data.samples, { ...masks, seed }) : data.samples);
    const trained = await trainInto(folder, {
      model,
      plan,
      samples: masked(job.seed),
      optimization: { ...optimization, steps, warmup: Math.round(optimization.warmup * steps) },
      checkpointEvery: settings.checkpointEvery,
      onStep: ({ step }) => onStep?.(step),
      signal,
    });
    const report = await evaluatePerplexity(model, masked(measure.seed), held, {
      batchSize: measure.batch,
      signal,
    });
    const losses = Object.entries(report.domains).map(([domain, { loss }]) => [domain, loss] as const);
    const record: JobRecord = {
      format: 1,
      hash,
      job,
      domains,
      steps: trained.steps,
      tokens: trained.tokens,
      seconds: trained.seconds,
      losses: Object.fromEntries(losses.sort(([a], [b]) => (a < b ? -1 : 1))),
      finished: new Date().toISOString(),
    };
    await writeTextAtomically(join(folder, JOB_FILES.record), `${JSON.stringify(record, null, 2)}\n`);
    await tidy(dir, job, settings);
    return record;
  } finally {
    model.dispose();
  }
}

/** Removes what a finished job does not need any more. */
export async function tidy(dir: string, job: TrainingJob, { keepModels }: JobSettings): Promise<void> {
  const { checkpoints, model } = TRAINING_FILES;
  for (const name of [checkpoints, ...(keepModels ? [] : [model])]) {
    await rm(join(dir, job.name, name), { recursive: true, force: true });
  }
}

async function claimFolder(folder: string, hash: string): Promise<void> {
  const path = join(folder, JOB_FILES.started);
  if ((await readIfThere<{ hash: string }>(path))?.hash === hash) {
    await removeTemporary(folder);
    return;
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeTextAtomically(path, `${JSON.stringify({ hash })}\n`);
}

async function readIfThere<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : (parseJsonObject(path, text) as T);
}
