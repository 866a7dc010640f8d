import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import type { Plan } from '../../lib/order/plan.ts';
import type { TrainOptions } from '../../lib/train/trainer.ts';

const config: ModelConfig = {
  model_type: 'llama',
  vocab_size: 13,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};

export const toyBackend = openReferenceBackend();

/** A model small enough for the reference backend to train in a test; the same one every time. */
export function toyModel(backend: Backend = toyBackend): Promise<LanguageModel> {
  return LanguageModel.initialize(config, { backend, seed: 1 });
}

/** Sequences that count up modulo 13 from different starts, 4 to 7 tokens long. */
export const toySamples = {
  count: 12,
  tokens: (row: number) => Int32Array.from({ length: 4 + (row % 4) }, (_, t) => (row + t) % 13),
};

export function toyPlan(rows: number[], weights = rows.map(() => 1)): Plan {
  return { rows: Uint32Array.from(rows), layers: new Uint32Array(rows.length), weights: Float32Array.from(weights) };
}

/** A run of 9 steps over the toy samples: 10 rows in an order of their own, 3 a batch. */
export async function toyRun(backend?: Backend): Promise<TrainOptions> {
  return {
    model: await toyModel(backend),
    optimizer: { kind: 'adamw', lr: 0.02, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.01, clipNorm: 1 },
    schedule: { kind: 'cosine', warmupSteps: 2 },
    plan: toyPlan([3, 1, 4, 11, 5, 9, 2, 6, 0, 8], [1, 1, 2, 1, 1, 0.5, 1, 1, 3, 1]),
    samples: toySamples,
    batchSize: 3,
    steps: 9,
  };
}
