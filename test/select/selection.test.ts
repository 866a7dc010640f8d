import { describe, expect, test } from 'vitest';
import { gumbels } from '../../lib/select/gumbel.ts';
import { apportion } from '../../lib/select/groups.ts';
import { describeSelection, type Selection } from '../../lib/select/rule.ts';
import { selectPlaces } from '../../lib/select/selection.ts';
import { aboveThreshold } from '../../lib/select/threshold.ts';
import { topK } from '../../lib/select/top-k.ts';
import { topRatio } from '../../lib/select/top-ratio.ts';
import { randomUint32, streamOf } from '../../lib/random.ts';
import { FILLS, firstDifference, sortedByComparison } from '../order/forms.ts';

const places = (scores: Float64Array, selection: Selection, options = {}): number[] => [
  ...selectPlaces(scores, selection, options).places,
];
const ascending = (rows: Iterable<number>): number[] => [...rows].sort((a, b) => a - b);

/** n domains of unequal size, by place. */
function domainsOf(n: number, seed = 0): string[] {
  const names = ['a', 'b', 'b', 'c', 'c', 'c', 'c'];
  return Array.from({ length: n }, (_, i) => names[randomUint32(seed, streamOf('domains'), i) % names.length]);
}

describe.each(Object.entries(FILLS))('%s', (_, fill) => {
  const scores = new Float64Array(5001);
  fill(scores, 3);
  const sorted = sortedByComparison(scores);

  test('high is topK and topRatio, a threshold aboveThreshold, in input order', () => {
    expect(places(scores, { topK: 777 })).toEqual(ascending(topK(scores, 777)));
    expect(places(scores, { topRatio: 0.3 })).toEqual(ascending(topRatio(scores, 0.3)));
    const x = scores[sorted[1000]];
    const above = [...aboveThreshold(scores, x)];
    if (above.length > 0) expect(places(scores, { above: x })).toEqual(above);
    else expect(() => places(scores, { above: x })).toThrow('nothing would be kept');
  });

  test('low, middle and high are parts of one stable order', () => {
    for (const k of [1, 2, 500, 5000, 5001]) {
      const begin = Math.floor((5001 - k) / 2);
      expect(places(scores, { topK: k, keep: 'low' })).toEqual(ascending(sorted.slice(0, k)));
      expect(places(scores, { topK: k, keep: 'middle' })).toEqual(ascending(sorted.slice(begin, begin + k)));
      expect(places(scores, { topK: k, keep: 'high' })).toEqual(ascending(sorted.slice(5001 - k)));
    }
  });

  test('the record says between which scores, and how many of each domain', () => {
    const domains = domainsOf(scores.length);
    const { places, record } = selectPlaces(scores, { topRatio: 0.25 }, { domains });
    const kept = [...places].map((place) => scores[place]);
    expect(record).toMatchObject({ selection: { topRatio: 0.25 }, of: 5001, kept: 1250 });
    expect(record.lowest! + 0).toBe(Math.min(...kept) + 0);
    expect(record.highest! + 0).toBe(Math.max(...kept) + 0);
    expect(record).not.toHaveProperty('seed');
    for (const name of ['a', 'b', 'c']) {
      expect(record.domains![name].of).toBe(domains.filter((domain) => domain === name).length);
      expect(record.domains![name].kept).toBe([...places].filter((place) => domains[place] === name).length);
    }
  });

  test('temperature 0 is no noise', () => {
    const rule = { topRatio: 0.2, keep: 'middle' } as const;
    expect(places(scores, { ...rule, temperature: 0 }, { seed: 5 })).toEqual(places(scores, rule));
  });
});

describe('per domain', () => {
  const scores = new Float64Array(2000);
  FILLS.normal(scores, 8);
  const domains = domainsOf(2000);
  const placesOf = (name: string) => domains.flatMap((domain, place) => (domain === name ? [place] : []));

  test.each(['high', 'low', 'middle'] as const)('%s: each domain selects for itself', (keep) => {
    const { places: kept, record } = selectPlaces(scores, { topK: 50, keep, perDomain: true }, { domains });
    expect(record.kept).toBe(150);
    for (const name of ['a', 'b', 'c']) {
      const own = placesOf(name);
      const alone = places(
        Float64Array.from(own, (place) => scores[place]),
        { topK: 50, keep },
      );
      expect([...kept].filter((place) => domains[place] === name)).toEqual(alone.map((i) => own[i]));
      const values = alone.map((i) => scores[own[i]]);
      expect(record.domains![name]).toEqual({
        of: own.length,
        kept: 50,
        lowest: Math.min(...values),
        highest: Math.max(...values),
      });
    }
  });

  test('a domain with fewer than k rows stays whole', () => {
    const few = Float64Array.of(1, 2, 3, 4);
    expect(places(few, { topK: 2, perDomain: true }, { domains: ['x', 'y', 'y', 'y'] })).toEqual([0, 2, 3]);
  });

  test('a ratio keeps as many rows as without domains, each domain within one of its share', () => {
    for (const topRatio of [0.001, 0.1, 0.25, 1 / 3, 0.5, 0.999, 1]) {
      const { record } = selectPlaces(scores, { topRatio, perDomain: true }, { domains });
      const total = Math.trunc(2000 * topRatio);
      expect(record.kept).toBe(total);
      for (const { of, kept } of Object.values(record.domains!)) {
        expect(Math.abs(kept - (total * of) / 2000)).toBeLessThan(1);
      }
    }
  });

  test('a domain of which nothing is kept is recorded as such', () => {
    const { record } = selectPlaces(
      scores.subarray(0, 101),
      { topRatio: 0.02, perDomain: true },
      {
        domains: Array.from({ length: 101 }, (_, i) => (i === 0 ? 'rare' : 'common')),
      },
    );
    expect(record.domains!.rare).toEqual({ of: 1, kept: 0, lowest: null, highest: null });
    expect(record.kept).toBe(2);
  });
});

test('apportion: exact at sizes that a double cannot multiply, larger remainders first, earlier ones among equals', () => {
  expect(apportion([3, 3, 3], 4)).toEqual([2, 1, 1]);
  expect(apportion([10, 20, 70], 10)).toEqual([1, 2, 7]);
  expect(apportion([1, 0, 98], 2)).toEqual([0, 0, 2]);
  expect(apportion([0, 0], 0)).toEqual([0, 0]);
  const half = 2 ** 31;
  expect(apportion([half + 1, half - 1], 2 ** 32 - 1)).toEqual([half, half - 1]);
});

describe('drawn at a temperature', () => {
  const scores = new Float64Array(400);
  FILLS.normal(scores, 2);

  test('the same seed draws the same rows, another one others', () => {
    const draw = (seed: number) => selectPlaces(scores, { topRatio: 0.25, temperature: 1 }, { seed });
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1).places).not.toEqual(draw(2).places);
    expect(draw(1).record.seed).toBe(1);
    expect(draw(1).places).toHaveLength(100);
  });

  test('the noise belongs to the row: reordered rows have the same fate', () => {
    const rows = Uint32Array.from({ length: 400 }, (_, i) => 1000 + 3 * i);
    const kept = selectPlaces(scores, { topK: 90, temperature: 2 }, { rows, seed: 4 }).places.map((i) => rows[i]);
    const backwards = selectPlaces(
      scores.slice().reverse(),
      { topK: 90, temperature: 2 },
      {
        rows: rows.slice().reverse(),
        seed: 4,
      },
    ).places.map((i) => rows[399 - i]);
    expect(ascending(backwards)).toEqual([...kept]);
  });

  test.each(['high', 'low', 'middle'] as const)('%s: a small temperature is the deterministic selection', (keep) => {
    const rule = { topRatio: 0.3, keep };
    expect(places(scores, { ...rule, temperature: 1e-12 }, { seed: 3 })).toEqual(places(scores, rule));
  });

  test('as the temperature rises, the mean score of what is kept falls', () => {
    const meanAt = (temperature: number) => {
      const kept = selectPlaces(scores, { topK: 100, temperature }, { seed: 1 }).places;
      return [...kept].reduce((sum, place) => sum + scores[place], 0) / 100;
    };
    const means = [0, 0.3, 1, 10].map(meanAt);
    expect(means).toEqual([...means].sort((a, b) => b - a));
  });

  // Drawing one after the other without replacement, with probabilities in proportion to exp(±s / τ).
  test.each(['high', 'low'] as const)('%s: two of four rows are drawn as often as theory says', (keep) => {
    const four = Float64Array.of(0, 0.5, 1, 2);
    const temperature = 0.8;
    const weights = [...four].map((score) => Math.exp((keep === 'low' ? -score : score) / temperature));
    const total = weights.reduce((a, b) => a + b);
    const expected = weights.map((weight, i) =>
      weights.reduce(
        (sum, first, j) => sum + (j === i ? 0 : (first / total) * (weight / (total - first))),
        weight / total,
      ),
    );
    const trials = 20_000;
    const counts = [0, 0, 0, 0];
    for (let seed = 0; seed < trials; seed++) {
      for (const place of places(four, { topK: 2, keep, temperature }, { seed })) counts[place]++;
    }
    counts.forEach((count, i) => {
      const deviation = Math.sqrt(trials * expected[i] * (1 - expected[i]));
      expect(Math.abs(count - trials * expected[i])).toBeLessThan(5 * deviation);
    });
  });

  test('gumbel numbers have the mean and variance of the distribution', () => {
    const n = 100_000;
    const values = gumbels(
      11,
      Uint32Array.from({ length: n }, (_, row) => row),
    );
    const mean = values.reduce((a, b) => a + b) / n;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
    expect(mean).toBeCloseTo(0.5772, 1);
    expect(Math.abs(mean - 0.5772)).toBeLessThan((5 * Math.PI) / Math.sqrt(6 * n));
    expect(Math.abs(variance / (Math.PI ** 2 / 6) - 1)).toBeLessThan(0.04);
  });

  // Computed apart from this library, by a generator written from its paper.
  test('these are the rows, on every platform', () => {
    const eight = Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    expect(places(eight, { topK: 4, temperature: 4 }, { seed: 7 })).toEqual([0, 4, 5, 6]);
    expect(places(eight, { topK: 4, keep: 'low', temperature: 4 }, { seed: 7 })).toEqual([0, 2, 4, 5]);
  });
});

describe('refused', () => {
  const scores = Float64Array.of(1, 2, 3);
  test.each<[string, Selection]>([
    ['give exactly one of topRatio, topK and a threshold', {}],
    ['give exactly one of', { topRatio: 0.5, above: 1 }],
    ['give exactly one of', { topRatio: 0.5, topK: 1 }],
    ['keep goes with topRatio or topK', { above: 1, keep: 'low' }],
    ['temperature goes with', { below: 1, temperature: 1 }],
    ['above must be less than below', { above: 2, below: 2 }],
    ['topRatio: expected a finite number > 0 and <= 1, got 1.5', { topRatio: 1.5 }],
    ['topRatio: expected a ratio that keeps something of 3 rows, got 0.3', { topRatio: 0.3 }],
    ['keeping nothing is not a selection', { topK: 0 }],
    ['temperature: expected a finite number >= 0, got -1', { topK: 1, temperature: -1 }],
    ['keep: expected one of high, low, middle, got "top"', { topK: 1, keep: 'top' as 'high' }],
    ['above: expected a number', { above: NaN }],
    ['domains: expected the domain of each score', { topK: 1, perDomain: true }],
    [
      'a threshold that keeps something of 3 rows with scores from 1 to 3, got "above 3"; nothing would be kept',
      { above: 3 },
    ],
    ['got "above 1, below 2"', { above: 1, below: 2 }],
  ])('%s', (message, selection) => {
    expect(() => selectPlaces(scores, selection)).toThrow(message);
    expect(() => selectPlaces(scores, selection)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('scores that are none, or not numbers; lists of another length', () => {
    expect(() => selectPlaces(new Float64Array(), { topK: 1 })).toThrow('scores: expected at least one');
    expect(() => selectPlaces(Float64Array.of(1, NaN), { topK: 1 })).toThrow('scores[1]');
    expect(() => selectPlaces(scores, { topK: 1 }, { domains: ['a'] })).toThrow('domains: expected 3 values');
    expect(() => selectPlaces(scores, { topK: 1 }, { rows: new Uint32Array(2) })).toThrow('rows: expected 3 values');
  });
});

test('thresholds: strict on both sides', () => {
  const scores = Float64Array.of(3, 1, 2, -Infinity, Infinity);
  expect(places(scores, { below: 2 })).toEqual([1, 3]);
  expect(places(scores, { above: 1, below: 3 })).toEqual([2]);
  expect(places(scores, { above: 1 })).toEqual([0, 2, 4]);
});

test('float32 scores select as their float64 copies do', () => {
  const narrow = new Float32Array(3000);
  FILLS.normal(narrow, 1);
  for (const rule of [{ topK: 10 }, { topRatio: 0.5, keep: 'low' }, { topK: 9, temperature: 1 }] as Selection[]) {
    const wide = selectPlaces(Float64Array.from(narrow), rule).places;
    expect(firstDifference(selectPlaces(narrow, rule).places, wide)).toBe(-1);
  }
});

test.each<[string, Selection]>([
  ['the 25 % with the highest LQS', { topRatio: 0.25 }],
  ['the 12 rows with the middle LQS of each domain', { topK: 12, keep: 'middle', perDomain: true }],
  ['the 33.33 % with the lowest LQS, drawn at temperature 0.5', { topRatio: 1 / 3, keep: 'low', temperature: 0.5 }],
  ['rows whose LQS is above 1 and below 2', { above: 1, below: 2 }],
])('%s', (words, selection) => {
  expect(describeSelection(selection, 'LQS')).toBe(words);
});
