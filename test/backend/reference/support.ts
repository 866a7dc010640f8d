import { readFile } from 'node:fs/promises';
import { openReferenceBackend } from '../../../lib/backend/reference/backend.ts';
import type { Backend, EngineBatch, EngineModel, EngineVector } from '../../../lib/backend/types.ts';
import type { Batch } from '../../../lib/data/batch.ts';
import { transformerShape } from '../../../lib/model/architectures/index.ts';
import type { LlamaConfig, ModelConfig } from '../../../lib/model/config.ts';
import { modelLayout, type ParameterLayout } from '../../../lib/model/layout.ts';
import { SafetensorsFile } from '../../../lib/model/safetensors.ts';
import { Fixture, type TensorRecord } from '../../support/fixtures.ts';

export interface Opened {
  backend: Backend;
  model: EngineModel;
  layout: ParameterLayout;
}

export const TINY: LlamaConfig = {
  model_type: 'mistral',
  vocab_size: 11,
  hidden_size: 6,
  intermediate_size: 5,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  sliding_window: 2,
  tie_word_embeddings: true,
};

/** A model with parameters of order one, so that every term of its derivatives is felt. */
export function openModel(config: ModelConfig): Opened {
  const backend = openReferenceBackend();
  const shape = transformerShape(config);
  const layout = modelLayout(config, shape);
  const model = backend.engine.createModel(shape, layout);
  model.parameters.write(0, pseudoNormals(layout.length, 0.6));
  return { backend, model, layout };
}

/** The checkpoint of a fixture on a reference backend of its own. */
export async function openFixtureModel(fixture: Fixture): Promise<Opened> {
  const config = JSON.parse(await readFile(`${fixture.modelDirectory}/config.json`, 'utf8')) as ModelConfig;
  const opened = openModel(config);
  const file = await SafetensorsFile.open(`${fixture.modelDirectory}/model.safetensors`);
  const tensors: TensorRecord = {};
  for (const { name } of opened.layout.slots) tensors[name] = await file.read(name);
  await file.close();
  opened.model.parameters.copyFrom(vectorOf(opened, tensors));
  return opened;
}

export function vectorOf({ model, layout }: Opened, tensors: TensorRecord): EngineVector {
  const vector = model.zeros();
  for (const { name, offset } of layout.slots) vector.write(offset, tensors[name]);
  return vector;
}

export function recordOf({ layout }: Opened, vector: EngineVector): TensorRecord {
  return Object.fromEntries(layout.slots.map(({ name, offset, size }) => [name, vector.read(offset, size)]));
}

export function engineBatch(batch: Batch, granularity: 'row' | 'document' = 'row'): EngineBatch {
  const attentionMask = batch.attentionMask ?? new Uint8Array(batch.inputIds.length).fill(1);
  const ids = batch.documentIds ?? new Int32Array(batch.inputIds.length);
  const documents = new Set<string>();
  ids.forEach((id, at) => {
    if (attentionMask[at]) documents.add(`${Math.floor(at / batch.time)}:${id}`);
  });
  return { ...batch, attentionMask, granularity, samples: granularity === 'row' ? batch.batch : documents.size };
}

/** Rows of tokens that are also their labels, padded on the right. */
export function batchOf(rows: number[][]): EngineBatch {
  const time = Math.max(...rows.map((row) => row.length));
  const padded = (row: number[], filler: number): number[] => [...row, ...Array(time - row.length).fill(filler)];
  return engineBatch({
    batch: rows.length,
    time,
    inputIds: Int32Array.from(rows.flatMap((row) => padded(row, 0))),
    labels: Int32Array.from(rows.flatMap((row) => padded(row, -100))),
    attentionMask: Uint8Array.from(
      rows.flatMap((row) =>
        padded(
          row.map(() => 1),
          0,
        ),
      ),
    ),
  });
}

export function meanWeights(count: number): Float64Array {
  return new Float64Array(count).fill(1 / count);
}

/** Fixed values that look normal, of the given scale. */
export function pseudoNormals(count: number, deviation: number, seed = 1): Float64Array {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  return Float64Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
