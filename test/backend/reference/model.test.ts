import { describe, expect, it } from 'vitest';
import { openReferenceBackend, referenceInfo } from '../../../lib/backend/reference/backend.ts';
import type { LlamaConfig } from '../../../lib/model/config.ts';
import { relativeError } from '../../support/fixtures.ts';
import { batchOf, engineBatch, meanWeights, openModel, pseudoNormals, TINY, type Opened } from './support.ts';

const ROWS = [
  [3, 1, 4, 1, 5, 9, 2],
  [6, 5, 3],
  [5, 8, 9, 7, 9],
];
const WEIGHTS = Float64Array.of(0.5, -1.25, 2);

/** Directional derivative of f along v at the model's parameters, by central differences of fourth order. */
async function alongDirection(
  { model }: Opened,
  v: Float64Array,
  f: () => Promise<Float64Array>,
): Promise<Float64Array> {
  const centre = model.parameters.copy();
  const direction = model.zeros();
  direction.write(0, v);
  const step = 1e-4;
  const at = async (multiple: number): Promise<Float64Array> => {
    model.parameters.copyFrom(centre);
    model.parameters.axpy(multiple * step, direction);
    return f();
  };
  const [a, b, c, d] = [await at(-2), await at(-1), await at(1), await at(2)];
  model.parameters.copyFrom(centre);
  return a.map((_, i) => (a[i] - 8 * b[i] + 8 * c[i] - d[i]) / (12 * step));
}

describe.each<[name: string, changes: Partial<LlamaConfig>]>([
  ['tied head, window of 2', {}],
  ['untied head, full attention', { tie_word_embeddings: false, sliding_window: null }],
  ['one key-value head', { num_key_value_heads: 1, sliding_window: 3 }],
])('%s', (_name, changes) => {
  const batch = batchOf(ROWS);
  const config = { ...TINY, ...changes };

  it('has the derivatives that central differences give', async () => {
    const opened = openModel(config);
    const { model, layout } = opened;
    const v = pseudoNormals(layout.length, 1, 5);
    const direction = model.zeros();
    direction.write(0, v);
    const gradient = model.zeros();
    const product = model.zeros();
    const { dots } = await model.backward(batch, { weights: WEIGHTS, into: gradient, dots: [direction] });
    const jvp = await model.hvp(batch, direction, WEIGHTS, product);
    const slopes = await alongDirection(opened, v, () => model.loss(batch));
    expect(relativeError(dots![0], slopes)).toBeLessThan(1e-8);
    expect(relativeError(jvp, slopes)).toBeLessThan(1e-8);
    expect(gradient.dot(direction)).toBeCloseTo(
      jvp.reduce((sum, slope, i) => sum + WEIGHTS[i] * slope, 0),
      10,
    );
    const curvature = await alongDirection(opened, v, async () => {
      const into = model.zeros();
      await model.backward(batch, { weights: WEIGHTS, into });
      return Float64Array.from(into.read(0, layout.length));
    });
    expect(relativeError(product.read(0, layout.length), curvature)).toBeLessThan(1e-8);
  });

  it('reports what its sample gradients say', async () => {
    const { model } = openModel(config);
    const into = model.zeros();
    const result = await model.backward(batch, { weights: WEIGHTS, into, norms: true, gram: true, gradients: true });
    const gradients = result.gradients!;
    const sum = model.zeros();
    gradients.forEach((g, i) => sum.axpy(WEIGHTS[i], g));
    sum.axpy(-1, into);
    expect(Math.sqrt(sum.dot(sum) / into.dot(into))).toBeLessThan(1e-14);
    expect([...result.gram!]).toEqual(gradients.flatMap((a) => gradients.map((b) => a.dot(b))));
    expect([...result.norms!]).toEqual(gradients.map((g) => Math.sqrt(g.dot(g))));
  });

  it('computes each sample as if it were alone', async () => {
    const { model } = openModel(config);
    const together = await model.backward(batch, { weights: WEIGHTS, gradients: true });
    for (const [i, row] of ROWS.entries()) {
      const alone = await model.backward(batchOf([row]), { weights: meanWeights(1), gradients: true });
      expect(together.losses[i]).toBe(alone.losses[0]);
      const [a, b] = [together.gradients![i], alone.gradients![0]];
      expect(a.read(0, a.length)).toEqual(b.read(0, b.length));
    }
  });
});

describe('what a sample is', () => {
  it('gives a sample that predicts nothing a zero loss and gradient', async () => {
    const { model } = openModel(TINY);
    const batch = engineBatch({
      batch: 3,
      time: 3,
      inputIds: Int32Array.of(1, 2, 3, 4, 0, 0, 0, 0, 0),
      labels: Int32Array.of(1, -100, -100, 4, 7, 7, 7, 7, 7),
      attentionMask: Uint8Array.of(1, 1, 1, 1, 0, 0, 0, 0, 0),
    });
    const into = model.zeros();
    into.fill(3);
    const result = await model.backward(batch, { weights: meanWeights(3), into, norms: true });
    expect([...result.losses, ...result.norms!]).toEqual([0, 0, 0, 0, 0, 0]);
    expect(into.dot(into)).toBe(0);
    into.fill(3);
    expect([...(await model.hvp(batch, model.parameters, meanWeights(3), into))]).toEqual([0, 0, 0]);
    expect(new Set(into.read(0, into.length))).toEqual(new Set([3])); // nothing was added
  });

  it('lets packed documents neither attend to nor predict each other', async () => {
    const { model } = openModel({ ...TINY, sliding_window: null });
    const packed = {
      batch: 1,
      time: 9,
      inputIds: Int32Array.of(3, 1, 4, 1, 6, 5, 3, 0, 0),
      labels: Int32Array.of(3, 1, 4, 1, 6, 5, 3, 0, 0),
      attentionMask: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 0, 0),
      documentIds: Int32Array.of(0, 0, 0, 0, 1, 1, 1, -1, -1),
    };
    const alone = await model.loss(batchOf([[3, 1, 4, 1], [6, 5, 3]])); // prettier-ignore
    expect(await model.loss(engineBatch(packed, 'document'))).toEqual(alone);
    const row = await model.loss(engineBatch(packed));
    expect(row[0]).toBeCloseTo((3 * alone[0] + 2 * alone[1]) / 5, 14);
  });

  it('sees exactly the positions of the sliding window', async () => {
    // Two layers with a window of 2: position t depends on t − 2 … t, so the prediction from 4 starts at 2.
    const { model } = openModel(TINY);
    const lossOf = async (ids: number[]): Promise<number> => {
      const batch = batchOf([ids]);
      batch.labels.fill(-100, 0, 5);
      return (await model.loss(batch))[0];
    };
    const base = await lossOf([1, 2, 3, 4, 5, 6]);
    expect(await lossOf([1, 9, 3, 4, 5, 6])).toBe(base);
    expect(await lossOf([1, 2, 9, 4, 5, 6])).not.toBe(base);
  });
});

describe('the backend', () => {
  it('describes itself and is always available', () => {
    expect(referenceInfo()).toMatchObject({ name: 'reference', available: true, threads: 1, gemm: 'typescript' });
    expect(openReferenceBackend()).toMatchObject({ name: 'reference', precision: 'f32' });
  });

  it('has no bf16', () => {
    expect(() => openReferenceBackend({ precision: 'bf16' })).toThrow(
      expect.objectContaining({ name: 'GradfoldError', code: 'UNSUPPORTED' }),
    );
  });
});
