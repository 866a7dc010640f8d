import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { collate, type TokenRow } from '../../lib/data/batch.ts';
import type { ModelConfig, RaterConfig } from '../../lib/model/config.ts';
import type { ParameterVector } from '../../lib/model/parameter-vector.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { randomPermutation } from '../../lib/random.ts';
import type { TestedBackend } from './backends.ts';
import { largestRelativeError, relativeError } from './fixtures.ts';
import { randomRows, rowsToBatch, type BatchKind } from './random-batch.ts';
import { randomVector } from './random-vector.ts';

const SEED = 12;
const KINDS: BatchKind[] = ['dense', 'ragged', 'packed'];
const POOLINGS = ['mean', 'last', 'first'] as const;

/** What must hold of scores and their vector-Jacobian products whatever the rater. */
export function describeRaterProperties(
  tested: TestedBackend,
  architecture: ModelConfig,
  grid: [time: number, size: number][],
): void {
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

  const modes = [true, false].flatMap((causal) => POOLINGS.map((pooling) => ({ causal, pooling })));
  describe.each(modes)('causal: $causal, pooling: $pooling', ({ causal, pooling }) => {
    const config: RaterConfig = { ...architecture, causal, pooling, bias: pooling !== 'first' };
    let rater: SequenceRater;
    beforeAll(async () => {
      rater = await SequenceRater.initialize(config, { backend, seed: SEED });
      rater.parameters.axpy(0.1, randomVector(rater, SEED, 2));
    });

    const cases = grid.flatMap(([time, size]) => KINDS.map((kind) => ({ time, size, kind })));
    describe.each(cases)('$kind, $size rows of $time', ({ time, size, kind }) => {
      const rows = randomRows(kind, size, time, architecture.vocab_size, time * 10 + size, tokenTypes);
      const batch = rowsToBatch(rows, time);
      const cotangent = Float64Array.from({ length: size }, (_, i) => (i === 2 ? 0 : Math.cos(1 + i)));

      it('equals a batch-of-one loop, permuted as the rows are', async () => {
        const scores = await rater.score(batch);
        const product = await rater.backward(batch, cotangent);
        const alone = await Promise.all(rows.map((row: TokenRow) => rater.score(collate([row]))));
        expect(relativeError(scores, alone.map(([score]) => score))).toBeLessThan(tolerance.value); // prettier-ignore
        const sum = rater.vector();
        for (const [i, row] of rows.entries()) sum.axpy(cotangent[i], await rater.backward(collate([row]), [1]));
        expectVectors(product, sum, tolerance.value);

        const order = [...randomPermutation(size, SEED, time)];
        const shuffled = rowsToBatch(order.map((i) => rows[i]), time); // prettier-ignore
        expect(relativeError(await rater.score(shuffled), order.map((i) => scores[i]))).toBeLessThan(tolerance.value); // prettier-ignore
        const permuted = await rater.backward(
          shuffled,
          order.map((i) => cotangent[i]),
        );
        expectVectors(permuted, product, tolerance.value);
      });

      if (exact) {
        it('has the derivatives that central differences give', async () => {
          const direction = randomVector(rater, SEED, 5);
          const at = async (step: number) => {
            rater.parameters.axpy(step, direction);
            const scores = await rater.score(batch);
            rater.parameters.axpy(-step, direction);
            return scores.reduce((sum, score, i) => sum + cotangent[i] * score, 0);
          };
          const h = 1e-3 / direction.norm();
          const slope = async (step: number) => ((await at(step)) - (await at(-step))) / (2 * step);
          const expected = (4 * (await slope(h)) - (await slope(2 * h))) / 3;
          const product = await rater.backward(batch, cotangent);
          const scale = product.norm() * direction.norm();
          expect(Math.abs(product.dot(direction) - expected)).toBeLessThan(1e-8 * scale);
        });
      } else {
        it('agrees with the reference backend', async () => {
          const oracle = await SequenceRater.initialize(config, { backend: reference, seed: SEED });
          oracle.parameters.setFrom(rater.parameters.toRecord());
          expect(relativeError(await rater.score(batch), await oracle.score(batch))).toBeLessThan(tolerance.value);
          const expected = await oracle.backward(batch, cotangent);
          expectVectors(await rater.backward(batch, cotangent), expected, tolerance.value);
        });
      }
    });
  });
}

/** Tensors without a gradient, as queries over a single key have, hold nothing but rounding errors. */
function expectVectors(actual: ParameterVector, expected: ParameterVector, tolerance: number): void {
  expect(largestRelativeError(actual.toRecord(), expected.toRecord(), 1e-3)).toBeLessThan(tolerance);
}
