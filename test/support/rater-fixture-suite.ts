import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import type { TestedBackend } from './backends.ts';
import { expectTensors } from './expectations.ts';
import { Fixture, relativeError, toBatch, type FixtureBatch } from './fixtures.ts';

interface ScoredBatch extends FixtureBatch {
  targets: number[];
  cotangent: number[];
}

interface Expected {
  scores: number[];
  mse: number;
  grad_norm: number;
  vjp_norm: number;
}

/** All that the golden fixtures say of raters, checked on one backend. */
export function describeRaterFixtures({ open, tolerance }: TestedBackend): void {
  const fixture = new Fixture('scorer');
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend.dispose());

  describe.each(['causal', 'bidirectional'])('scorer, %s', (mode) => {
    it('scores, gradient of the squared error, vector-Jacobian product', async () => {
      const settings = { causal: mode === 'causal', pooling: 'mean', bias: true } as const;
      const rater = await SequenceRater.fromPretrained(fixture.modelDirectory, { backend, rater: settings, seed: 1 });
      rater.parameters.setFrom({ ...rater.parameters.toRecord(), ...(await fixture.head()) });
      const raw = await fixture.json<ScoredBatch>('batch');
      const expected = (await fixture.json<Record<string, Expected>>('expected'))[mode];
      const batch = toBatch(raw);

      const scores = await rater.score(batch);
      expect(relativeError(scores, expected.scores)).toBeLessThan(tolerance.value);
      const errors = scores.map((score, i) => score - raw.targets[i]);
      const mse = errors.reduce((sum, error) => sum + error * error, 0) / errors.length;
      expect(relativeError([mse], [expected.mse])).toBeLessThan(tolerance.value);

      const slopes = errors.map((error) => (2 * error) / errors.length);
      const gradient = await rater.backward(batch, slopes);
      expect(relativeError([gradient.norm()], [expected.grad_norm])).toBeLessThan(tolerance.value);
      await expectTensors(gradient.toRecord(), fixture, `${mode}/grad_mse`, tolerance.value);

      const product = await rater.backward(batch, raw.cotangent, { into: gradient });
      expect(product).toBe(gradient);
      expect(relativeError([product.norm()], [expected.vjp_norm])).toBeLessThan(tolerance.value);
      await expectTensors(product.toRecord(), fixture, `${mode}/vjp`, tolerance.value);
    });
  });
}
