import { readFile, rm } from 'node:fs/promises';
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
  /** 1 / (√v + ε) of the optimizer's second moments v, by tensor: what its steps multiply a gradient with. */
  metric: Record<string, Float32Array>;
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
    const metric = await adamMetric(optimizer, join(cacheDir, `optimizer-${process.pid}.safetensors`));
    snapshots.push({ age: step + 1, parameters: model.parameters.copy(), metric });
  }
  gradient.dispose();
  optimizer.dispose();
  return { model, snapshots };
}

const MOMENTS = 'v/';
const EPSILON = 1e-8;

async function adamMetric(optimizer: Optimizer, path: string): Promise<Record<string, Float32Array>> {
  await optimizer.save(path);
  const bytes = await readFile(path);
  await rm(path);
  // safetensors: the length of a JSON header, the header, the tensors' bytes.
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>;
  const correction = 1 - ADAM.betas[1] ** optimizer.stepCount;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name.startsWith(MOMENTS))
      .map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => {
          const v = new Float32Array(
            bytes.buffer.slice(bytes.byteOffset + start + from, bytes.byteOffset + start + to),
          );
          return [name.slice(MOMENTS.length), v.map((x) => 1 / (Math.sqrt(x / correction) + EPSILON))];
        },
      ),
  );
}
