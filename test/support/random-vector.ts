import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import type { TransformerModel } from '../../lib/model/transformer-model.ts';
import { randomNormals } from '../../lib/random.ts';

/** Standard normal numbers, float32 on every backend. */
export function randomVector(model: TransformerModel, seed: number, stream: number): ParameterVector {
  const record = model.parameters.toRecord();
  const flat = new Float32Array(model.parameterCount);
  randomNormals(flat, seed, stream);
  let offset = 0;
  for (const [name, { length }] of Object.entries(record)) {
    record[name] = flat.slice(offset, (offset += length));
  }
  return model.vector(record);
}
