import { expect, it } from 'vitest';
import { randomMixtures } from '../../lib/mix/regression.ts';
import { regressionByMeasure } from '../../lib/mix/regression-by-measure.ts';

const weights = randomMixtures({ domains: 3, count: 12, seed: 1 });
/** Each domain's loss falls with its own weight: ℓ_d = 3 exp(−w_d). */
const losses = Object.fromEntries(['a', 'b', 'c'].map((name, d) => [name, weights.map((w) => 3 * Math.exp(-w[d]))]));

it('finds the inside optimum of losses that fall with their own domain', () => {
  const { weights: found, predicted, r2 } = regressionByMeasure({ weights, losses });
  for (const weight of found) expect(weight).toBeCloseTo(1 / 3, 2);
  expect(predicted).toBeCloseTo(3 * Math.exp(-1 / 3), 3);
  for (const name of ['a', 'b', 'c']) expect(r2[name]).toBeCloseTo(1, 10);
});

it('moves to the domain that counts more', () => {
  const { weights: found } = regressionByMeasure({ weights, losses, measureWeights: { a: 2, b: 1, c: 1 } });
  // 2 exp(−w_a) = exp(−w_b): w_a = w_b + ln 2.
  expect(found[0] - found[1]).toBeCloseTo(Math.log(2), 1);
});

it('refuses a weighted measure without losses, and none at all', () => {
  expect(() => regressionByMeasure({ weights, losses, measureWeights: { z: 1 } })).toThrow('losses.z');
  expect(() => regressionByMeasure({ weights, losses: {} })).toThrow('losses: expected at least one measure');
});
