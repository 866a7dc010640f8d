import { mean } from 'simple-statistics';
import { checkCall, checkInteger, checkList, invalid } from '../../check.ts';
import { collate } from '../../data/batch.ts';
import { rowOf, type TokenSource } from '../../data/token-source.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { createOptimizer, type OptimizerConfig } from '../../model/optimizer.ts';
import { checkLoss } from '../../train/training-state.ts';
import { RowTape } from './row-tape.ts';
import type { InnerStart } from './population.ts';

export interface InnerStartOptions {
  samples: TokenSource;
  /** Rows to train on, in equal weights. */
  rows: ArrayLike<number>;
  /** Optimizer steps after which the model is kept. */
  ages: readonly number[];
  /** Rows a step; default 32. */
  batchSize?: number;
  /** Default: AdamW with lr 3e-3, betas 0.9 and 0.95, gradient norm clipped to 1; its learning rate stays as it is. */
  optimizer?: OptimizerConfig;
  /** Of the order of rows; default 0. */
  seed?: number;
  onStep?: (progress: { step: number; steps: number; loss: number }) => void;
  signal?: AbortSignal;
}

/**
 * Trains the model from its present parameters and keeps what it was at the given ages, optimizer included, as starts
 * for inner models: these need some training for a rater to learn much from them. The model's parameters are those of
 * the last age then. The vectors of the starts are the caller's to dispose of.
 */
export async function trainInnerStarts(model: LanguageModel, options: InnerStartOptions): Promise<InnerStart[]> {
  checkCall('options', options);
  const { samples, ages, onStep, signal } = options;
  checkList('ages', ages);
  if (ages.length === 0) throw invalid('ages', 'at least one', ages);
  ages.forEach((age, i) => checkInteger(`ages[${i}]`, age, 1));
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const config = options.optimizer ?? { kind: 'adamw', lr: 3e-3, betas: [0.9, 0.95], clipNorm: 1 };
  const tape = new RowTape('data-rater/start rows', Uint32Array.from(options.rows), options.seed ?? 0);
  const optimizer = createOptimizer(model, config);
  const gradient = model.vector();
  const starts: InnerStart[] = [];
  const steps = Math.max(...ages);
  try {
    for (let step = 1; step <= steps; step++) {
      const rows = tape.read((step - 1) * batchSize, batchSize);
      const { perSample } = await model.gradient(collate(Array.from(rows, (row) => rowOf(samples, row))), {
        into: gradient,
        signal,
      });
      const loss = mean(Array.from(perSample));
      checkLoss(step, loss, optimizer.lr);
      await optimizer.step(gradient);
      onStep?.({ step, steps, loss });
      if (!ages.includes(step)) continue;
      starts.push({
        parameters: model.parameters.copy(),
        ...(optimizer.kind === 'adamw' && { state: optimizer.state() }),
      });
    }
    return starts;
  } finally {
    gradient.dispose();
    optimizer.dispose();
  }
}
