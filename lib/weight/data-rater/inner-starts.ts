import { join } from 'node:path';
import { mean } from 'simple-statistics';
import { checkCall, checkInteger, checkList, invalid } from '../../check.ts';
import { collate } from '../../data/batch.ts';
import { rowOf, type TokenSource } from '../../data/token-source.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import { createOptimizer, type OptimizerConfig } from '../../model/optimizer.ts';
import { latestCheckpoint, saveCheckpoint } from '../../train/checkpoint.ts';
import { checkSameRun, digest, digestParameters, digestRows, type Fingerprint } from '../../train/fingerprint.ts';
import { checkLoss } from '../../train/training-state.ts';
import { RowTape } from './row-tape.ts';
import type { InnerStart } from './population.ts';
import { loadVectors, saveVectors } from './vector-file.ts';

export interface InnerStartOptions {
  samples: TokenSource;
  /** Rows to train on, in equal weights; to be none of those that are rated then (`divideRows`). */
  rows: ArrayLike<number>;
  /** Optimizer steps after which the model is kept. */
  ages: readonly number[];
  /** Rows a step; default 32. */
  batchSize?: number;
  /** Default: AdamW with lr 3e-3, betas 0.9 and 0.95, gradient norm clipped to 1; its learning rate stays as it is. */
  optimizer?: OptimizerConfig;
  /** Of the order of rows; default 0. */
  seed?: number;
  /** Keeps every start there as it is reached, and goes on from the last one found. */
  checkpointDir?: string;
  onStep?: (progress: { step: number; steps: number; loss: number }) => void;
  signal?: AbortSignal;
}

interface StartsRecord {
  step: number;
  ages: number[];
}

const STARTS = 'starts.safetensors';
const OPTIMIZER = 'optimizer.safetensors';

/**
 * Trains the model from its present parameters and keeps what it was at the given ages, optimizer included, as starts
 * for inner models: these need some training for a rater to learn much from them. The model's parameters are those of
 * the last age then. The vectors of the starts are the caller's to dispose of.
 * @throws GradfoldError INVALID_ARGUMENT for misuse, or for a checkpoint of another run; INVALID_DATA when the loss is no
 *   longer finite; rejects with `signal.reason` on abort.
 */
export async function trainInnerStarts(model: LanguageModel, options: InnerStartOptions): Promise<InnerStart[]> {
  checkCall('options', options);
  const { samples, checkpointDir, onStep, signal } = options;
  checkList('ages', options.ages);
  const ages = [...new Set(options.ages)].sort((a, b) => a - b);
  if (ages.length === 0) throw invalid('ages', 'at least one', ages);
  ages.forEach((age, i) => checkInteger(`ages[${i}]`, age, 1));
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const config = options.optimizer ?? { kind: 'adamw', lr: 3e-3, betas: [0.9, 0.95], clipNorm: 1 };
  const rows = Uint32Array.from(options.rows);
  const tape = new RowTape('data-rater/start rows', rows, seed);
  const optimizer = createOptimizer(model, config);
  const gradient = model.vector();
  const fingerprint: Fingerprint = {
    'batch size': batchSize,
    seed,
    optimizer: JSON.stringify(config),
    rows: digest([rows, digestRows(samples, rows)]),
    ages: ages.join(),
    model: JSON.stringify(model.config),
    'initial parameters': digestParameters(model.parameters),
  };
  const starts: InnerStart[] = [];
  const steps = ages.at(-1)!;
  try {
    let step = checkpointDir === undefined ? 0 : await resume(checkpointDir);
    while (step < steps) {
      const batch = tape.read(step * batchSize, batchSize);
      const { perSample } = await model.gradient(collate(Array.from(batch, (row) => rowOf(samples, row))), {
        into: gradient,
        signal,
      });
      const loss = mean(Array.from(perSample));
      checkLoss(++step, loss, optimizer.lr);
      await optimizer.step(gradient);
      onStep?.({ step, steps, loss });
      if (!ages.includes(step)) continue;
      starts.push(present());
      if (checkpointDir !== undefined) await save(checkpointDir, step);
    }
    return starts;
  } finally {
    gradient.dispose();
    optimizer.dispose();
  }

  function present(): InnerStart {
    const state = optimizer.kind === 'adamw' && { state: optimizer.state() };
    return { parameters: model.parameters.copy(), trainedOn: { samples, rows }, ...state };
  }

  async function save(directory: string, step: number): Promise<void> {
    const record = { format: 1 as const, step, ages: ages.slice(0, starts.length), fingerprint };
    await saveCheckpoint(directory, record, async (path) => {
      await saveVectors(join(path, STARTS), vectorsOf(starts));
      await optimizer.save(join(path, OPTIMIZER));
    });
  }

  async function resume(directory: string): Promise<number> {
    const found = await latestCheckpoint<StartsRecord>(directory);
    if (!found) return 0;
    checkSameRun(found.path, found.fingerprint, fingerprint);
    await optimizer.load(join(found.path, OPTIMIZER));
    for (const age of found.state.ages) {
      const start = present();
      if (start.state) start.state.step = age;
      starts.push(start);
    }
    await loadVectors(join(found.path, STARTS), vectorsOf(starts), model.space.layout);
    model.parameters.copyFrom(starts.at(-1)!.parameters);
    return found.state.step;
  }
}

/** By place and name. */
function vectorsOf(starts: readonly InnerStart[]): Record<string, ParameterVector> {
  return Object.fromEntries(
    starts.flatMap(({ parameters, state }, i) =>
      Object.entries({ parameters, ...(state && { m: state.m, v: state.v }) }).map(([name, vector]) => [
        `${i}/${name}`,
        vector,
      ]),
    ),
  ) as Record<string, ParameterVector>;
}
