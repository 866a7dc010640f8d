import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createOptimizer,
  LanguageModel,
  type Backend,
  type LlamaConfig,
  type Optimizer,
  type ParameterVector,
} from 'gradfold';
import { batchesOf, ROW_TOKENS, VOCABULARY, type PlantedNoise } from './data.ts';

/** 0.23 million parameters. */
export const MODEL: LlamaConfig = {
  model_type: 'llama',
  vocab_size: VOCABULARY,
  hidden_size: 64,
  intermediate_size: 176,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: ROW_TOKENS,
  tie_word_embeddings: false,
  initializer_range: 0.1,
};

export const BATCH_ROWS = 32;
export const ADAM = { kind: 'adamw', lr: 3e-3, betas: [0.9, 0.95], clipNorm: 1 } as const;

/** A model at some age of its training. */
export interface Snapshot {
  /** Optimizer steps. */
  age: number;
  parameters: ParameterVector;
  /** The optimizer as it was then. */
  optimizer: Optimizer;
}

/** Trains a model on the first rows given, at a constant learning rate, and keeps what it was at the given ages. */
export async function trainedModel(
  data: PlantedNoise,
  options: { backend: Backend; seed: number; rows: Uint32Array; ages: readonly number[]; cacheDir: string },
): Promise<{ model: LanguageModel; snapshots: Snapshot[] }> {
  const { backend, seed, rows, ages, cacheDir } = options;
  const steps = Math.max(...ages);
  const model = await LanguageModel.initialize(MODEL, { backend, seed });
  const optimizer = createOptimizer(model, ADAM);
  const gradient = model.vector();
  const snapshots: Snapshot[] = [];
  for (const [step, batch] of batchesOf(data, rows.slice(0, steps * BATCH_ROWS), BATCH_ROWS).entries()) {
    await model.gradient(batch, { into: gradient });
    await optimizer.step(gradient);
    if (!ages.includes(step + 1)) continue;
    const path = join(cacheDir, `optimizer-${process.pid}.safetensors`);
    snapshots.push({
      age: step + 1,
      parameters: model.parameters.copy(),
      optimizer: await standing(model, optimizer, path),
    });
  }
  gradient.dispose();
  optimizer.dispose();
  return { model, snapshots };
}

/** An optimizer that stands where this one does, and stays there. */
async function standing(model: LanguageModel, optimizer: Optimizer, path: string): Promise<Optimizer> {
  const copy = createOptimizer(model, ADAM);
  await optimizer.save(path);
  await copy.load(path);
  await rm(path);
  return copy;
}
