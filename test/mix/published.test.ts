import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { analyzeMixture, inputOf } from '../../lib/mix/analysis.ts';
import { descendMixture } from '../../lib/mix/mixture-descent.ts';
import { predictMixture } from '../../lib/mix/predict.ts';
import { fitResponses } from '../../lib/mix/response.ts';
import { readMixResults } from '../../lib/mix/results.ts';
import type { ScalingLaw } from '../../lib/mix/scaling-law.ts';

const at = (name: string): string => fileURLToPath(new URL(`../fixtures/autoscale/${name}`, import.meta.url));
const published = JSON.parse(readFileSync(at('published.json'), 'utf8')) as {
  domains: string[];
  laws: ScalingLaw[];
  floor: number;
  descent: { steps: number; rate: number; multiples: number[]; early: Record<string, number[]> };
  optimum: number[];
  scales: Record<string, number[]>;
  predictions: { total: number; quantities: number[] }[];
};

const total = (values: number[]) => values.reduce((sum, x) => sum + x, 0);

describe('GPT-2 Large on RedPajama, 1.2 B tokens', async () => {
  const response = fitResponses(await readMixResults(at('redpajama-gpt2-large.csv')));
  const options = { floor: published.floor, descent: published.descent.steps };
  const { domains, scales } = analyzeMixture(inputOf(response), options);
  const [{ optimum, descent, weights, predicted }] = scales;

  test('the published laws, from the matrix of perplexities', () => {
    expect(domains).toEqual(published.domains);
    response.scales[0].responses.forEach(({ fit }, d) => {
      expect(fit.method).toBe('exact');
      for (const name of ['a', 'b', 'c'] as const) {
        expect(Math.abs(fit[name] / published.laws[d][name] - 1)).toBeLessThan(1e-7);
      }
    });
  });

  test('the average of the matrix is that of its domains', async () => {
    const runs = await readMixResults(at('redpajama-gpt2-large.csv'));
    expect(runs).toHaveLength(15);
    for (const { average, metrics } of runs) {
      expect(total(Object.values(metrics)) / 7).toBeCloseTo(average!, 7);
    }
  });

  test('the published descent, after its first steps', () => {
    const problem = { quantities: domains.map(() => 1), laws: published.laws, floor: published.floor };
    for (const [steps, wanted] of Object.entries(published.descent.early)) {
      const { multiples } = descendMixture({ ...problem, steps: Number(steps) });
      wanted.forEach((x, d) => expect(multiples[d]).toBeCloseTo(x, 7));
    }
  });

  test('the published descent at its end, and the exact optimum beside it', () => {
    published.descent.multiples.forEach((x, d) => {
      expect(descent!.multiples[d]).toBeCloseTo(x, 8);
      expect(optimum!.multiples[d]).toBeCloseTo(x, 8);
    });
    expect(optimum!.atFloor).toEqual([false, true, false, false, false, false, false]);
    expect(optimum!.kktResidual).toBeLessThan(1e-14);
    expect(optimum!.objective).toBeLessThanOrEqual(descent!.objective + 1e-13);
  });

  test('the weights that are published as optimal, to 1e-3', () => {
    published.optimum.forEach((x, d) => expect(Math.abs(weights[d] - x / 7)).toBeLessThan(1e-3));
    expect(predicted).toBeLessThan(1);
    expect(predicted).toBeGreaterThan(0.9);
  });
});

test('the published predictions from 0.3 and 1.2 B tokens', () => {
  const scales = Object.values(published.scales).map((quantities) => ({ quantities }));
  published.predictions.forEach(({ total: target, quantities }, k) => {
    const found = predictMixture({ scales, target });
    expect(found.t).toBeCloseTo(k + 2, 5);
    quantities.forEach((n, d) => {
      expect(Math.abs(found.quantities[d] / n - 1)).toBeLessThan(1e-5);
      expect(Math.abs(found.weights[d] - n / target)).toBeLessThan(1e-6);
    });
  });
});
