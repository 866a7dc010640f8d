import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { collate, type Batch, type TokenRow } from '../../lib/data/batch.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { randomNormals, randomPermutation } from '../../lib/random.ts';
import type { TestedBackend } from './backends.ts';
import { largestRelativeError, relativeError } from './fixtures.ts';
import { randomRows, rowsToBatch, splitDocuments, type BatchKind } from './random-batch.ts';
import { randomVector } from './random-vector.ts';

/** Shapes [time, rows] to try. */
export type Grid = [time: number, size: number][];

const KINDS: BatchKind[] = ['dense', 'ragged', 'packed'];
const SEED = 11;
/** Of a sketch, which float32 holds, beside the gradient's norm. */
const SKETCH_TOLERANCE = 2e-5;
/** Batches of more tokens are not compared with the reference backend, which would take long. */
const ORACLE_TOKENS = 300;

/**
 * What must hold of per-sample statistics and Hessian products whatever the model, checked over a grid of shapes, with
 * matrices tied and not.
 */
export function describeProperties(tested: TestedBackend, architecture: ModelConfig, grid: Grid): void {
  const { tolerance } = tested;
  const exact = tested.name === 'reference';
  const tokenTypes = architecture.model_type === 'bert' ? 2 : 0;
  let backend: Backend;
  let reference: Backend;
  beforeAll(async () => {
    backend = await tested.open();
    reference = openReferenceBackend();
  });
  afterAll(() => {
    backend.dispose();
    reference.dispose();
  });

  describe.each([false, true])('tied embeddings: %s', (tied) => {
    let model: LanguageModel;
    let vectors: ParameterVector[];
    beforeAll(async () => {
      const config = { ...architecture, tie_word_embeddings: tied };
      model = await LanguageModel.initialize(config, { backend, seed: SEED });
      vectors = [0, 1].map((stream) => randomVector(model, SEED, stream));
      model.parameters.axpy(0.1, randomVector(model, SEED, 2)); // norms other than one, biases other than zero
    });

    const cases = grid.flatMap(([time, size]) => KINDS.map((kind) => ({ time, size, kind })));
    describe.each(cases)('$kind, $size rows of $time', ({ time, size, kind }) => {
      const rows = randomRows(kind, size, time, architecture.vocab_size, time * 100 + size, tokenTypes);
      const batch = rowsToBatch(rows, time);
      const weights = randomWeights(size);

      it('equals a batch-of-one loop', async () => {
        await expectLoop(batch, rows, weights, 'row');
      });

      if (kind === 'packed') {
        it('equals its documents one by one', async () => {
          const documents = rows.flatMap(splitDocuments);
          await expectLoop(batch, documents, randomWeights(documents.length), 'document');
        });
      }

      it('is permuted as the rows are', async () => {
        const order = [...randomPermutation(size, SEED, time)];
        const shuffled = order.map((i) => rows[i]);
        const request = { norms: true, dots: vectors, gram: true };
        const before = await model.perSample(batch, { ...request, weights });
        const after = await model.perSample(rowsToBatch(shuffled, time), {
          ...request,
          weights: order.map((i) => weights[i]),
        });
        const permuted = (x: Float64Array) => order.map((i) => x[i]);
        expect(relativeError(after.losses, permuted(before.losses))).toBeLessThan(tolerance.value);
        expect(relativeError(after.norms!, permuted(before.norms!))).toBeLessThan(tolerance.value);
        vectors.forEach((v, k) => {
          expectScaled(after.dots![k], permuted(before.dots![k]), after.norms!, v.norm());
        });
        const gram = order.flatMap((i) => order.map((j) => before.gram![i * size + j]));
        expect(relativeError(after.gram!, gram)).toBeLessThan(tolerance.value);
        expectVectors(after.gradient!, before.gradient!, tolerance.value);
      });

      it('has symmetric Hessian products, linear in the samples', async () => {
        const [u, v] = vectors;
        const along = await model.hvp(batch, v, { weights });
        const { hvp: other } = await model.hvp(batch, u, { weights });
        const scale = u.norm() * along.hvp.norm() + v.norm() * other.norm();
        expect(Math.abs(u.dot(along.hvp) - v.dot(other))).toBeLessThanOrEqual(tolerance.hvp * scale);
        const { dots, norms } = await model.perSample(batch, { dots: [v], norms: true });
        expectScaled(along.jvp, dots![0], norms!, v.norm());
        expectScaled((await model.jvp(batch, v)).jvp, dots![0], norms!, v.norm());
        const sum = model.vector();
        for (const [i, row] of rows.entries()) {
          sum.axpy(weights[i], (await model.hvp(collate([row]), v)).hvp);
        }
        expectVectors(along.hvp, sum, tolerance.hvp);
      });

      if (exact) {
        it('has the Hessian products that differences of gradients have', async () => {
          const { hvp } = await model.hvp(batch, vectors[0], { weights });
          const differences = await centralDifference(model, batch, vectors[0], weights);
          expectVectors(hvp, differences, 1e-6);
        });
      } else if (time * size <= ORACLE_TOKENS) {
        it('agrees with the reference backend', async () => {
          const oracle = await LanguageModel.initialize(model.config, { backend: reference, seed: SEED });
          oracle.parameters.setFrom(model.parameters.toRecord());
          const dots = vectors.map((v) => oracle.vector(v.toRecord()));
          const request = { norms: true, gram: true, weights, sketch: { dimensions: 12, seed: SEED } };
          const actual = await model.perSample(batch, { ...request, dots: vectors });
          const expected = await oracle.perSample(batch, { ...request, dots });
          expect(relativeError(actual.losses, expected.losses)).toBeLessThan(tolerance.value);
          expect(relativeError(actual.norms!, expected.norms!)).toBeLessThan(tolerance.value);
          expect(relativeError(actual.gram!, expected.gram!)).toBeLessThan(tolerance.value);
          expectSketches(actual.sketch!, expected.sketch!, expected.norms!);
          dots.forEach((v, k) => expectScaled(actual.dots![k], expected.dots![k], expected.norms!, v.norm()));
          expectVectors(actual.gradient!, expected.gradient!, tolerance.value);
          const { hvp } = await model.hvp(batch, vectors[0], { weights });
          expectVectors(hvp, (await oracle.hvp(batch, dots[0], { weights })).hvp, tolerance.hvp);
        });
      }
    });

    /** Every statistic of a batch against those of its samples, each alone and without padding. */
    async function expectLoop(
      batch: Batch,
      samples: TokenRow[],
      weights: number[],
      granularity: 'row' | 'document',
    ): Promise<void> {
      const request = { norms: true, dots: vectors, gram: true, gradients: true };
      const together = await model.perSample(batch, { ...request, weights, granularity });
      const n = samples.length;
      expect(together.losses).toHaveLength(n);
      const sum = model.vector();
      const own: ParameterVector[] = [];
      for (const [i, sample] of samples.entries()) {
        const { perSample, gradient } = await model.gradient(collate([sample]));
        own.push(gradient);
        sum.axpy(weights[i], gradient);
        expect(relativeError([together.losses[i]], perSample)).toBeLessThan(tolerance.value);
        expect(relativeError([together.norms![i]], [gradient.norm()])).toBeLessThan(tolerance.value);
        expectVectors(together.gradients![i], gradient, tolerance.value);
      }
      vectors.forEach((v, k) => {
        const dots = own.map((g) => g.dot(v));
        expectScaled(together.dots![k], dots, together.norms!, v.norm());
      });
      expectVectors(together.gradient!, sum, tolerance.value);
      const gram = own.flatMap((a) => own.map((b) => a.dot(b)));
      expect(relativeError(together.gram!, gram)).toBeLessThan(tolerance.value);
      const diagonal = Array.from({ length: n }, (_, i) => Math.sqrt(together.gram![i * n + i]));
      expect(relativeError(diagonal, together.norms!)).toBeLessThan(tolerance.value);
    }
  });

  /** Each sketch is as exact as its gradient is beside its norm. */
  function expectSketches(actual: Float32Array, expected: Float32Array, norms: Float64Array): void {
    const k = expected.length / norms.length;
    expect(actual).toHaveLength(expected.length);
    norms.forEach((norm, i) => {
      const rows = [actual, expected].map((sketches) => sketches.subarray(i * k, (i + 1) * k));
      const difference = rows[0].map((x, j) => x - rows[1][j]);
      expect(Math.hypot(...difference)).toBeLessThanOrEqual(SKETCH_TOLERANCE * norm);
    });
  }

  /** Dot products: rounding errors scale with the product of the two norms. */
  function expectScaled(actual: Float64Array, expected: ArrayLike<number>, norms: Float64Array, norm: number): void {
    expect(actual).toHaveLength(expected.length);
    actual.forEach((dot, i) => {
      expect(Math.abs(dot - expected[i])).toBeLessThanOrEqual(tolerance.value * norms[i] * norm);
    });
  }
}

/**
 * Attention over equal keys has no gradient in queries and keys, so such a tensor holds nothing but rounding errors:
 * they are measured against a thousandth of the whole gradient.
 */
function expectVectors(actual: ParameterVector, expected: ParameterVector, tolerance: number): void {
  expect(largestRelativeError(actual.toRecord(), expected.toRecord(), 1e-3)).toBeLessThan(tolerance);
}

/** (∇L(θ + hv) − ∇L(θ − hv)) / 2h for L = Σ w_i ℓ_i, extrapolated from two steps h to an error of order h⁴. */
async function centralDifference(
  model: LanguageModel,
  batch: Batch,
  v: ParameterVector,
  weights: number[],
): Promise<ParameterVector> {
  const slope = async (h: number) => {
    const theta = model.parameters.copy();
    model.parameters.axpy(h, v);
    const { gradient: difference } = await model.gradient(batch, { weights });
    model.parameters.copyFrom(theta);
    model.parameters.axpy(-h, v);
    difference.axpy(-1, (await model.gradient(batch, { weights })).gradient);
    model.parameters.copyFrom(theta);
    difference.scale(1 / (2 * h));
    return difference;
  };
  const h = 1e-3 / v.norm();
  const fine = await slope(h);
  fine.scale(4 / 3);
  fine.axpy(-1 / 3, await slope(2 * h));
  return fine;
}

/** One weight is zero and some are negative. */
function randomWeights(n: number): number[] {
  const normals = new Float64Array(n);
  randomNormals(normals, SEED, n);
  return [...normals].map((x, i) => (i === 2 ? 0 : x));
}
