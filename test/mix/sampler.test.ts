import { describe, expect, it } from 'vitest';
import { ddoRuns, rowsOfRuns } from '../../lib/mix/ddo.ts';
import { interleave } from '../../lib/mix/interleave.ts';
import { domainQuotas } from '../../lib/mix/quotas.ts';
import { domainPools, mixturePlan } from '../../lib/mix/sampler.ts';
import { randomUint32, randomUniform, streamOf } from '../../lib/random.ts';
import { FlatSamples } from '../../lib/data/flat-samples.ts';

const stream = streamOf('sampler test');
const CASES = Array.from({ length: 200 }, (_, i) => i);

/** Between one and eight domains with weights of very different sizes, some of them zero. */
function someWeights(i: number): Record<string, number> {
  const domains = 1 + (randomUint32(1, stream, i) % 8);
  const weights = Array.from({ length: domains }, (_, d) => {
    const u = randomUniform(2, stream, 8 * i + d);
    return d > 0 && u < 0.15 ? 0 : Math.exp(6 * u);
  });
  return Object.fromEntries(weights.map((weight, d) => [`d${(d * 5) % 8}`, weight]));
}

const someQuotas = (i: number) => domainQuotas(someWeights(i), 1 + (randomUint32(3, stream, i) % 700));

describe('domainQuotas', () => {
  it.each([
    [{ a: 1, b: 1, c: 1 }, 10, { a: 4, b: 3, c: 3 }],
    [{ a: 0.5, b: 0.3, c: 0.2 }, 7, { a: 4, b: 2, c: 1 }],
    [{ a: 0, b: 2 }, 5, { a: 0, b: 5 }],
    [{ a: 47, b: 16, c: 15.8, d: 12, e: 6.1, f: 3.1 }, 10, { a: 5, b: 2, c: 1, d: 1, e: 1, f: 0 }],
  ])('divides by largest remainders: %o, %i rows', (weights, budget, expected) => {
    expect(domainQuotas(weights, budget)).toEqual(expected);
  });

  it('adds up, and is within a row of every share, in any order of domains', () => {
    for (const i of CASES) {
      const weights = someWeights(i);
      const budget = 1 + (randomUint32(3, stream, i) % 700);
      const quotas = domainQuotas(weights, budget);
      const total = Object.values(weights).reduce((a, b) => a + b);
      expect(Object.values(quotas).reduce((a, b) => a + b)).toBe(budget);
      for (const [domain, weight] of Object.entries(weights)) {
        expect(Math.abs(quotas[domain] - (weight / total) * budget)).toBeLessThan(1);
        if (weight === 0) expect(quotas[domain]).toBe(0);
      }
      const reversed = Object.fromEntries(Object.entries(weights).reverse());
      expect(domainQuotas(reversed, budget)).toEqual(quotas);
    }
  });

  it('refuses weights that divide nothing', () => {
    expect(() => domainQuotas({ a: 0 }, 3)).toThrow('weights: expected a positive sum, got 0');
    expect(() => domainQuotas({ a: -1, b: 2 }, 3)).toThrow('weights.a: expected a finite number >= 0, got -1');
    expect(() => domainQuotas({}, 3)).toThrow('a positive sum');
  });
});

describe('interleave', () => {
  it('spreads every domain over the whole training', () => {
    const names = (quotas: Record<string, number>) =>
      Array.from(interleave(quotas), (i) => Object.keys(quotas)[i]).join('');
    expect(names({ a: 4, b: 2 })).toBe('abaaba');
    expect(names({ b: 3, a: 3 })).toBe('ababab');
    expect(names({ a: 5, b: 0, c: 1 })).toBe('aaacaa');
  });

  it('keeps every prefix within (1 + (m − 2)·w)/2 rows of the weights', () => {
    for (const i of CASES) {
      const quotas = Object.values(someQuotas(i));
      const places = interleave(someQuotas(i));
      const total = places.length;
      const active = quotas.filter((quota) => quota > 0).length;
      const counts = quotas.map(() => 0);
      // How far beyond the bound, in units of 1/(2n) rows, where everything is an integer.
      let beyond = -Infinity;
      places.forEach((domain, k) => {
        counts[domain]++;
        quotas.forEach((quota, d) => {
          const deviation = 2 * Math.abs(total * counts[d] - (k + 1) * quota);
          beyond = Math.max(beyond, deviation - (total + (active - 2) * quota));
        });
      });
      expect(beyond).toBeLessThanOrEqual(0);
      expect(counts).toEqual(quotas);
    }
  });

  it('leaves the order of two domains alone when a third one changes', () => {
    for (const i of CASES) {
      const quotas = someQuotas(i);
      const names = Object.keys(quotas);
      const changed = names[randomUint32(4, stream, i) % names.length];
      const without = (all: Record<string, number>) =>
        Array.from(interleave(all), (d) => names[d]).filter((name) => name !== changed);
      if (names.every((name) => name === changed || quotas[name] === 0)) continue;
      expect(without({ ...quotas, [changed]: 3 * quotas[changed] + 1 })).toEqual(without(quotas));
    }
  });

  it('does not depend on the order in which domains are named', () => {
    const named = (quotas: Record<string, number>) => Array.from(interleave(quotas), (d) => Object.keys(quotas)[d]);
    expect(named({ a: 7, c: 7, b: 14 })).toEqual(named({ b: 14, c: 7, a: 7 }));
  });
});

/** Rows 0-4 are of the domain mail, 5-24 of novel, 25 on of speeches; some of each are not for training. */
const samples = new FlatSamples({
  length: 1,
  tokens: new Int32Array(45),
  offsets: Int32Array.from({ length: 46 }, (_, i) => i),
  documents: new Uint32Array(45),
  domains: Int32Array.from({ length: 45 }, (_, i) => (i < 5 ? 1 : i < 25 ? 0 : 2)),
  domainNames: ['novel', 'mail', 'speeches'],
  splits: Uint8Array.from({ length: 45 }, (_, i) => (i % 10 === 9 ? 3 : 0)),
});
const pools = domainPools(samples);

describe('mixturePlan', () => {
  it('draws each domain without replacement, then again in another order', () => {
    expect(Object.entries(pools).map(([name, rows]) => [name, rows.length])).toEqual([
      ['mail', 5],
      ['novel', 18],
      ['speeches', 18],
    ]);
    const { plan, domains } = mixturePlan(pools, { mail: 13, novel: 18, speeches: 4 }, { seed: 3 });
    expect(domains).toEqual([
      { domain: 'mail', available: 5, rows: 13, epochs: 2.6 },
      { domain: 'novel', available: 18, rows: 18, epochs: 1 },
      { domain: 'speeches', available: 18, rows: 4, epochs: 4 / 18 },
    ]);
    const mail = Array.from(plan.rows).filter((row) => row < 5);
    const passes = [mail.slice(0, 5), mail.slice(5, 10), mail.slice(10)];
    expect(passes.map((rows) => new Set(rows).size)).toEqual([5, 5, 3]);
    expect(passes[0]).not.toEqual(passes[1]);
    const layers = Array.from(plan.layers).filter((_, k) => plan.rows[k] < 5);
    expect(layers).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]);
    const novel = Array.from(plan.rows).filter((row) => samples.domain(row) === 'novel');
    expect(novel.sort((a, b) => a - b)).toEqual(Array.from(pools.novel));
    expect(Array.from(plan.rows).every((row) => samples.split(row) === 'train')).toBe(true);
  });

  it('is the same for the same seed, and another for another', () => {
    const rows = (seed: number) => mixturePlan(pools, { mail: 3, novel: 9 }, { seed }).plan.rows;
    expect(rows(1)).toEqual(rows(1));
    expect(rows(1)).not.toEqual(rows(2));
  });

  it('names a domain that has no rows', () => {
    expect(() => mixturePlan(pools, { mail: 3, poems: 2 }, { seed: 0 })).toThrow(
      /quotas\.poems: expected a domain with rows to draw, got .*domains with rows: mail, novel, speeches/,
    );
  });

  it('keeps the rows of the unchanged domains, in their order, in the runs of a search', () => {
    const runs = ddoRuns({ mail: 3, novel: 6, speeches: 9 }, [3, 1 / 3]);
    const planOf = (i: number) => Array.from(mixturePlan(pools, runs[i].quotas, { seed: 5 }).plan.rows);
    const base = planOf(0);
    runs.slice(1).forEach(({ domain }, i) => {
      const [own, others] = [true, false].map(
        (same) => (rows: number[]) => rows.filter((row) => (samples.domain(row) === domain) === same),
      );
      const rows = planOf(i + 1);
      expect(others(rows)).toEqual(others(base));
      const [longer, shorter] = [own(rows), own(base)].sort((a, b) => b.length - a.length);
      expect(longer.slice(0, shorter.length)).toEqual(shorter);
      expect(longer.length).toBeGreaterThan(shorter.length);
    });
  });
});

describe('ddoRuns', () => {
  it('changes one domain at a time: 2m + 1 runs, or m + 1', () => {
    const base = { a: 9, b: 10 };
    const runs = ddoRuns(base, [3, 1 / 3]);
    expect(runs.map(({ name, domain, quotas }) => [name, domain, quotas.a, quotas.b])).toEqual([
      ['base', null, 9, 10],
      ['a-x3', 'a', 27, 10],
      ['a-x0.333', 'a', 3, 10],
      ['b-x3', 'b', 9, 30],
      ['b-x0.3', 'b', 9, 3],
    ]);
    expect(runs.map(({ factor }) => factor)).toEqual([1, 3, 3 / 9, 3, 0.3]);
    expect(rowsOfRuns(runs)).toBe(19 + 37 + 13 + 39 + 12);
    expect(ddoRuns(base, [3])).toHaveLength(3);
  });

  it('refuses factors that change nothing', () => {
    expect(() => ddoRuns({ a: 1 }, [0.7])).toThrow(/factors\[0\]: expected one that changes the 1 rows of a, got 0.7/);
    expect(() => ddoRuns({ a: 1 }, [])).toThrow('factors: expected at least one, got "none"');
    expect(() => ddoRuns({ a: 4 }, [3, 3])).toThrow('factors: expected each one once');
    expect(() => ddoRuns({ a: 4 }, [-3])).toThrow('factors[0]: expected a finite number > 0, got -3');
  });
});
