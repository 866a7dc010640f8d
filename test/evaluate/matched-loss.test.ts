import { describe, expect, it } from 'vitest';
import { gainOverSeeds, matchedLoss } from '../../lib/evaluate/matched-loss.ts';

/** A curve through losses at steps 10, 20, … */
const curve = (...losses: number[]) => losses.map((loss, i) => ({ step: 10 * (i + 1), loss }));

const BASELINE = curve(8, 6, 4);
const BETTER = curve(6, 4, 2);
const WORSE = curve(9, 7, 5);

describe('matchedLoss', () => {
  it('is the loss where the baseline ends, where the other gets there', () => {
    expect(matchedLoss(BASELINE, BETTER)).toEqual({ loss: 4, reached: true, baseline: 30, other: 20 });
  });

  it('is the loss where the other ends, where it does not', () => {
    expect(matchedLoss(BASELINE, WORSE)).toEqual({ loss: 5, reached: false, baseline: 25, other: 30 });
  });

  it('asks a baseline that ends above its lowest loss when it was there first', () => {
    expect(matchedLoss(curve(8, 4, 3, 4), BETTER)).toMatchObject({ loss: 4, baseline: 20, other: 20 });
  });

  it('needs points', () => {
    expect(() => matchedLoss(BASELINE, [])).toThrow('other curve: expected at least one point');
  });
});

describe('gainOverSeeds', () => {
  const costs = { stepFlops: 100, baselineSteps: 30, candidates: 4, kept: 0.5, scoringFlops: 5, metaFlops: 600 };

  it('takes every seed, those which do not reach the loss as well', () => {
    const gain = gainOverSeeds(costs, [BASELINE, BASELINE], [BETTER, WORSE]);
    const [first, second] = gain.perSeed;
    expect(first.saved).toBeCloseTo(10 / 30, 12);
    expect(first.scoring).toBeCloseTo((20 * 4 * 5) / 3000, 12);
    expect(second.saved).toBeCloseTo(-5 / 30, 12);
    expect(second.scoring).toBeCloseTo((30 * 4 * 5) / 3000, 12);
    for (const { saved, scoring, overSampling, metaTraining, netOfScoring, net } of [first, second]) {
      expect(overSampling).toBeCloseTo(scoring / 2, 12);
      expect(metaTraining).toBeCloseTo(0.2, 12);
      expect(netOfScoring).toBeCloseTo(saved - scoring, 12);
      expect(net).toBeCloseTo(saved - scoring - 0.2, 12);
    }
    expect(gain.reachedSeeds).toBe(1);
    expect(gain.net.mean).toBeCloseTo((first.net + second.net) / 2, 12);
    expect(gain.net.sd).toBeCloseTo(Math.abs(first.net - second.net) / Math.SQRT2, 12);
    expect(gain.scoring).toBeCloseTo((first.scoring + second.scoring) / 2, 12);
    expect(gain.paysAfter).toBeNull(); // 1/6 − 1/6 on average: nothing is saved
  });

  it('says after how many trainings the rater is earned back, however many share it', () => {
    const alone = gainOverSeeds(costs, [BASELINE], [BETTER]);
    expect(alone.net.sd).toBeNull();
    expect(alone.paysAfter).toBeCloseTo(0.2 / (1 / 3 - 400 / 3000), 12);
    const shared = gainOverSeeds({ ...costs, trainings: 4 }, [BASELINE], [BETTER]);
    expect(shared.paysAfter).toBeCloseTo(alone.paysAfter!, 12);
    expect(shared.net.mean - alone.net.mean).toBeCloseTo(0.15, 12);
  });

  it('charges for all of a pool that is scored beforehand', () => {
    const { candidates: _, ...beforehand } = costs;
    expect(gainOverSeeds({ ...beforehand, pool: 90 }, [BASELINE], [BETTER]).scoring).toBeCloseTo(0.15, 12);
    expect(() => gainOverSeeds(beforehand, [BASELINE], [BETTER])).toThrow('rows scored: expected a finite number');
  });

  it('wants a curve for each of the baseline', () => {
    expect(() => gainOverSeeds(costs, [BASELINE, BASELINE], [BETTER])).toThrow('filtered: expected 2 values');
  });
});
