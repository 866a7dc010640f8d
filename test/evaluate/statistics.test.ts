import { describe, expect, it } from 'vitest';
import { randomNormals, streamOf } from '../../lib/random.ts';
import {
  areaUnderCurve,
  firstCrossing,
  holm,
  pairedDifference,
  pairedTest,
  shareError,
  spearman,
  spearmanError,
  studentQuantile,
  studentTail,
  summarize,
} from '../../lib/evaluate/statistics.ts';

describe('summarize', () => {
  it('has the n − 1 standard deviation', () => {
    const { mean, standardDeviation, count } = summarize(Float64Array.of(2, 4, 4, 4, 5, 5, 7, 9));
    expect({ mean, count }).toEqual({ mean: 5, count: 8 });
    expect(standardDeviation).toBeCloseTo(Math.sqrt(32 / 7), 14);
  });

  it('gives a single value no spread', () => {
    expect(summarize([3])).toEqual({ mean: 3, standardDeviation: NaN, count: 1 });
  });

  it('names the value that is not finite', () => {
    expect(() => summarize([1, NaN])).toThrow('values[1]: expected a finite number, got NaN');
    expect(() => summarize([])).toThrow('values: expected at least one value');
  });
});

describe('pairedDifference', () => {
  it('cancels what the pairs share', () => {
    const { differences, mean, standardDeviation } = pairedDifference([10.5, 20.25, 30.75], [10, 20, 30]);
    expect(Array.from(differences)).toEqual([0.5, 0.25, 0.75]);
    expect(mean).toBe(0.5);
    expect(standardDeviation).toBe(0.25);
  });

  it('asks for equally many values', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow('b: expected 2 values');
  });
});

describe('areaUnderCurve', () => {
  it.each([
    ['perfect', [3, 4], [1, 2], 1],
    ['inverted', [1, 2], [3, 4], 0],
    ['all tied', [1, 1, 1], [1, 1], 0.5],
    // Pairs: (1,1) ties, (1,2) loses, (3,1) and (3,2) win.
    ['one tie', [1, 3], [1, 2], 2.5 / 4],
    ['scikit-learn’s example', [0.35, 0.8], [0.1, 0.4], 0.75],
  ])('%s', (_, positives, negatives, expected) => {
    expect(areaUnderCurve(positives, negatives)).toBe(expected);
  });

  it('agrees with counting pairs', () => {
    const draw = (n: number, step: number) => Array.from({ length: n }, (_, i) => (i * step) % 13);
    const [positives, negatives] = [draw(40, 5), draw(29, 7)];
    let wins = 0;
    for (const p of positives) for (const n of negatives) wins += p > n ? 1 : p === n ? 0.5 : 0;
    expect(areaUnderCurve(positives, negatives)).toBeCloseTo(wins / (40 * 29), 14);
  });
});

describe('spearmanError', () => {
  it('is the spread of the correlations of repeated draws', () => {
    const [pairs, draws] = [60, 1500];
    for (const weight of [0, 0.8]) {
      const correlations = Array.from({ length: draws }, (_, draw) => {
        const [x, noise] = [new Float64Array(pairs), new Float64Array(pairs)];
        randomNormals(x, draw, streamOf('common'));
        randomNormals(noise, draw, streamOf('noise'));
        return spearman(
          x,
          x.map((value, i) => weight * value + Math.sqrt(1 - weight ** 2) * noise[i]),
        );
      });
      const { mean, standardDeviation } = summarize(correlations);
      expect(spearmanError(mean, pairs) / standardDeviation).toBeGreaterThan(0.9);
      expect(spearmanError(mean, pairs) / standardDeviation).toBeLessThan(1.1);
    }
  });

  it('is 0 for a perfect correlation, rounding or not, and unknown for three pairs', () => {
    expect(spearmanError(1 + 1e-15, 10)).toBe(0);
    expect(spearmanError(0.5, 3)).toBeNaN();
  });
});

describe('shareError', () => {
  it('is that of the binomial distribution', () => {
    expect(shareError(0.2, 100)).toBeCloseTo(0.04, 14);
    expect(() => shareError(1.2, 100)).toThrow('share: expected');
  });
});

describe('spearman', () => {
  it.each([
    ['any increasing relation', [1, 2, 3, 4], [1, 8, 27, 64], 1],
    ['any decreasing relation', [1, 2, 3, 4], [4, 3, 2, 1], -1],
    // 1 − 6·Σd²/(n(n² − 1)) with d = (−1, 1, 0, −1, 1)
    ['a textbook case', [1, 2, 3, 4, 5], [2, 1, 3, 5, 4], 0.8],
    // Mid-ranks 1.5, 1.5, 3 against 1, 2, 3: 1.5 / √(1.5 · 2)
    ['ties share their mean rank', [7, 7, 9], [1, 2, 3], 1.5 / Math.sqrt(3)],
  ])('%s', (_, a, b, expected) => {
    expect(spearman(a, b)).toBeCloseTo(expected, 14);
  });

  it('is undefined for a constant', () => {
    expect(spearman([1, 1, 1], [1, 2, 3])).toBeNaN();
  });
});

describe('pairedTest', () => {
  // Student's own data (1908): extra hours of sleep under two drugs; R's t.test(paired = TRUE) gives these numbers.
  const sleep = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];

  it('agrees with R on Student’s sleep data', () => {
    const { t, margin } = pairedTest(sleep);
    expect(t).toBeCloseTo(0.00283289, 8);
    expect(1.58 - margin).toBeCloseTo(0.7001142, 6);
    expect(1.58 + margin).toBeCloseTo(2.4598858, 6);
  });

  it('counts sign patterns: all of one sign, with the zero either way', () => {
    expect(pairedTest(sleep).permutation).toBe(4 / 1024);
    expect(pairedTest([-1, -2, -3]).permutation).toBe(2 / 8);
    // |±1 ± 2 ± 3| ≥ 4 for 6 and 4, of both signs.
    expect(pairedTest([-1, 2, 3]).permutation).toBe(4 / 8);
  });

  it('finds nothing in differences that are all zero, and everything in equal ones', () => {
    expect(pairedTest([0, 0, 0])).toEqual({ t: 1, margin: 0, permutation: 1 });
    expect(pairedTest([0.5, 0.5]).t).toBe(0);
  });

  it('wants two differences or more', () => {
    expect(() => pairedTest([1])).toThrow('differences.length: expected an integer in [2, 20], got 1');
  });
});

describe('studentTail', () => {
  it.each([
    ['ν = 1 is Cauchy’s distribution', 3, 1, 1 - (2 / Math.PI) * Math.atan(3)],
    ['ν = 2 has a closed form', -3, 2, 1 - 3 / Math.sqrt(11)],
    ['a table’s ν = 5', 2.570581836, 5, 0.05],
    ['a table’s ν = 10', 3.16927267, 10, 0.01],
    ['a table’s ν = 29', 2.045229642, 29, 0.05],
  ])('%s', (_, t, degrees, expected) => {
    expect(studentTail(t, degrees)).toBeCloseTo(expected, 9);
  });

  it('is undone by studentQuantile', () => {
    for (const degrees of [1, 2, 3, 8])
      expect(studentTail(studentQuantile(0.05, degrees), degrees)).toBeCloseTo(0.05, 12);
  });
});

describe('holm', () => {
  it('multiplies by the number of tests not yet passed, and never lets the order turn', () => {
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    [0.03, 0.06, 0.06, 0.02].forEach((p, i) => expect(adjusted[i]).toBeCloseTo(p, 12));
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([0.04])).toEqual([0.04]);
  });
});

describe('firstCrossing', () => {
  const curve = [
    { step: 10, loss: 5 },
    { step: 20, loss: 4 },
    { step: 30, loss: 4.5 },
    { step: 40, loss: 3 },
  ];
  it.each([
    ['between points', 4.25, 17.5],
    ['at a point', 4, 20],
    ['after a rise', 3.75, 35],
    ['from the start', 6, 10],
    ['never', 2, null],
  ])('%s', (_, level, expected) => {
    expect(firstCrossing(curve, level)).toBe(expected);
  });
});
