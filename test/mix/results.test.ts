import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { analyzeMixture, inputOf } from '../../lib/mix/analysis.ts';
import { readMixtureInput, writeMixtureFile } from '../../lib/mix/mix-files.ts';
import { fitResponses } from '../../lib/mix/response.ts';
import { parseMixResults, readMixResults, writeMixResults, type MixRun } from '../../lib/mix/results.ts';
import { lawValue } from '../../lib/mix/scaling-law.ts';
import { temporaryDirectory } from '../data/helpers.ts';

const directory = temporaryDirectory();
const at = (name: string) => join(directory, name);

const TABLE = `domain,factor,prose,"code, all"
,,3,2
prose,1/3,3.3,2.02
prose,3,2.8,1.99
"code, all",1/3,3.01,2.5
"code, all",3,2.99,1.7
`;

describe('results tables', () => {
  test('CSV: quoted names, fractions, an empty domain for the base run', () => {
    const runs = parseMixResults('table', TABLE);
    expect(runs.map(({ domain, factor }) => [domain, factor])).toEqual([
      [null, 1],
      ['prose', 1 / 3],
      ['prose', 3],
      ['code, all', 1 / 3],
      ['code, all', 3],
    ]);
    expect(runs[3].metrics).toEqual({ prose: 3.01, 'code, all': 2.5 });
    expect(runs[0]).toMatchObject({ seed: null, scale: null, sigma: null, average: null, quantity: null });
  });

  test('JSON says the same', () => {
    const rows = [
      { domain: 'base', prose: 3 },
      { domain: 'prose', factor: 3, prose: 2.8, scale: 1e6 },
    ];
    const [base, run] = parseMixResults('table', JSON.stringify(rows));
    expect(base).toMatchObject({ domain: null, factor: 1, metrics: { prose: 3 } });
    expect(run).toMatchObject({ domain: 'prose', factor: 3, scale: 1e6 });
  });

  test('what is written reads the same', async () => {
    const runs = parseMixResults('table', TABLE).map((run, i): MixRun => ({ ...run, seed: i, scale: 1e9 }));
    await writeMixResults(at('results.csv'), runs);
    expect(await readMixResults(at('results.csv'))).toEqual(runs);
  });

  test.each([
    ['factor,x\n1,2\n', /row 1: expected a column domain/],
    ['domain,factor,x\na,3\n', /row 1: expected 3 cells, as the heading has, got 2/],
    ['domain,factor,x\na,three,2\n', /row 1: factor: expected a number, got "three"/],
    ['domain,factor,x\na,3,NaN\n', /row 1: x: expected a number, got "NaN"/],
    ['domain,factor,x\na,-3,2\n', /row 1: factor: expected a number > 0, got -3/],
    ['domain,x\na,2\n', /row 1: expected the factor or the quantity of a, got "neither"/],
    ['domain,x,x\na,2,2\n', /line 1: expected different columns, got "x twice"/],
    ['domain,factor,x\na,3,\n', /row 1: x: expected a number/],
    ['domain,x\n', /table: expected a row for each run/],
    ['[{"factor": 3}]', /row 1: expected a column domain/],
    ['[1', /table: expected JSON/],
    ['[1]', /table, row 1: expected an object, got 1/],
  ])('refused: %j', (text, message) => {
    expect(() => parseMixResults('table', text)).toThrow(message);
  });
});

describe('what the runs say', () => {
  test('ratios to the base run, averaged over measures, and their laws', () => {
    const { domains, measures, scales } = fitResponses(parseMixResults('table', TABLE));
    expect(domains).toEqual(['prose', 'code, all']);
    expect(measures).toEqual(['prose', 'code, all']);
    const [{ total, base, baseMetric, responses, cells }] = scales;
    expect([total, base, baseMetric]).toEqual([2, [1, 1], 2.5]);
    expect(responses[0].points).toEqual([
      { x: 1 / 3, y: 2.66 / 2.5, sigma: null, runs: 1 },
      { x: 1, y: 1, sigma: null, runs: 1 },
      { x: 3, y: 2.395 / 2.5, sigma: null, runs: 1 },
    ]);
    for (const { points, fit } of responses) {
      for (const { x, y } of points) expect(lawValue(fit, x)).toBeCloseTo(y, 12);
    }
    expect(cells).toContainEqual({
      domain: 'prose',
      factor: 3,
      measure: 'prose',
      change: expect.closeTo(2.8 / 3 - 1, 12) as number,
    });
    expect(cells).toHaveLength(8);
  });

  test('measures count as they are weighed', () => {
    const options = { measureWeights: { prose: 3, 'code, all': 1 } };
    const [{ baseMetric, responses }] = fitResponses(parseMixResults('table', TABLE), options).scales;
    expect(baseMetric).toBeCloseTo(2.75, 12);
    expect(responses[0].points[0].y).toBeCloseTo((3 * 3.3 + 2.02) / 4 / 2.75, 12);
  });

  test('quantities are taken relative to base amounts that need not be equal', () => {
    const table =
      'domain,quantity,scale,average\nbase,,100,2\na,60,100,1.9\na,10,100,2.2\nb,240,100,1.8\nb,40,100,2.1\n';
    const [{ base, responses }] = fitResponses(parseMixResults('table', table), { base: { a: 1, b: 4 } }).scales;
    expect(base).toEqual([20, 80]);
    expect(responses.map(({ points }) => points.map(({ x }) => x))).toEqual([
      [0.5, 1, 3],
      [0.5, 1, 3],
    ]);
  });

  const seeds = (noise: number) =>
    [1, 2, 3].flatMap((seed) => {
      const common = 1 + 0.1 * seed; // what a seed changes in all its runs alike
      const row = (domain: string, factor: number, metric: number, i: number) =>
        `${domain},${factor},${seed},${common * (metric + noise * ((seed * (i + 1)) % 3))}`;
      return [
        row('base', 1, 2, 0),
        ...['a', 'b'].flatMap((domain, d) => [row(domain, 0.5, 2.1, 2 * d), row(domain, 3, 1.9, 2 * d + 1)]),
      ];
    });
  const seeded = (noise: number) => `domain,factor,seed,average\n${seeds(noise).join('\n')}\n`;

  test('runs are compared with the base run of their seed; the spread of seeds gives errors', () => {
    const [quiet] = fitResponses(parseMixResults('table', seeded(0))).scales;
    expect(quiet.responses[0].points[0].y).toBeCloseTo(1.05, 12);
    expect(quiet.responses[0].points[0].sigma).toBeLessThan(1e-12);
    const [noisy] = fitResponses(parseMixResults('table', seeded(0.01))).scales;
    const [first] = noisy.responses[1].points;
    expect(first.runs).toBe(3);
    expect(first.sigma).toBeGreaterThan(1e-4);
    const errors = noisy.responses.map(({ fit }) => fit.standardErrors!.b);
    for (const error of errors) expect(error).toBeGreaterThan(0);
  });

  test('stated errors are carried to the law', () => {
    const stated = (sigma: number) =>
      fitResponses(
        parseMixResults(
          'table',
          `domain,factor,sigma,average\nbase,,${sigma},2\na,0.5,${sigma},2.1\na,3,${sigma},1.9\nb,0.5,${sigma},2.1\nb,3,${sigma},1.95\n`,
        ),
      ).scales[0].responses[0];
    expect(stated(0.01).points.map(({ sigma }) => sigma)).toEqual([0.005, 0.005, 0.005]);
    const [one, two] = [0.01, 0.02].map((sigma) => stated(sigma).fit.standardErrors!.a);
    expect(two / one).toBeCloseTo(2, 8);
  });

  test.each([
    ['domain,factor,x\na,3,2\nb,3,2\n', {}, /results: expected a base run/],
    ['domain,factor,x\nbase,,2\na,3,2\n', {}, /domain: expected runs that change two domains or more, got "a"/],
    ['domain,factor,scale,x\nbase,,1,2\na,3,1,2\nb,3,,2\n', {}, /scale: expected a scale for every run, or for none/],
    [
      'domain,factor,scale,x\nbase,,1,2\na,3,1,2\nb,3,1,2\nbase,,2,2\na,3,2,2\n',
      {},
      /results at scale 2: expected runs that change b, got "none"/,
    ],
    ['domain,factor,x\nbase,,-2\na,3,2\nb,3,2\n', {}, /expected a metric > 0/],
    ['domain,factor,x\nbase,,2\na,3,2\nb,3,2\n', { base: { c: 1 } }, /base: expected one of a, b, got "c"/],
    ['domain,factor,x\nbase,,2\na,3,2\nb,3,2\n', { measureWeights: { y: 1 } }, /measure weights: expected one of x/],
    ['domain,factor\nbase,\na,3\nb,3\n', {}, /expected an average, or a column for each measure/],
  ])('refused: %j', (table, options, message) => {
    expect(() => fitResponses(parseMixResults('table', table), options)).toThrow(message);
  });
});

describe('analysis and mixture files', () => {
  const input = inputOf(fitResponses(parseMixResults('table', TABLE)));

  test('caps, sizes and epochs bound the optimum', () => {
    const free = analyzeMixture(input).scales[0];
    const [largest] = [...free.weights.keys()].sort((p, q) => free.weights[q] - free.weights[p]);
    const name = input.domains[largest];
    const capped = analyzeMixture(input, { caps: { [name]: 1.05 } }).scales[0];
    expect(capped.optimum!.multiples[largest]).toBe(1.05);
    expect(capped.optimum!.atCap[largest]).toBe(true);
    const sizes = Object.fromEntries(input.domains.map((domain) => [domain, 0.6]));
    const sized = analyzeMixture(input, { sizes, maxEpochs: 2 });
    expect(sized.scales[0].optimum!.multiples[largest]).toBeCloseTo(
      Math.min(1.2, free.optimum!.multiples[largest]),
      10,
    );
    expect(Object.keys(sized.baselines)).toEqual(['uniform', 'by size']);
    expect(() => analyzeMixture(input, { maxEpochs: 2 })).toThrow(/sizes: expected the size of each domain/);
    expect(() => analyzeMixture(input, { caps: { poems: 1 } })).toThrow(/caps: expected one of prose/);
    expect(() => analyzeMixture(input, { target: 5 })).toThrow(/target: expected best amounts at two scales or more/);
  });

  test('files hold what is known and read back in any order of the domains', async () => {
    await writeMixtureFile(at('laws.json'), input);
    const laws = await readMixtureInput([at('laws.json')]);
    expect(laws.scales[0].laws).toEqual(input.scales[0].laws);
    const analysis = analyzeMixture(laws);
    await writeMixtureFile(at('optimum.json'), analysis);
    const small = { domains: [...input.domains].reverse(), scales: [{ quantities: [0.2, 0.3] }] };
    await writeFile(at('small.json'), JSON.stringify(small));
    const both = await readMixtureInput([at('optimum.json'), at('small.json')]);
    expect(both.domains).toEqual(input.domains);
    expect(both.scales.map(({ quantities }) => quantities)).toEqual([[0.3, 0.2], analysis.scales[0].quantities]);
    const { prediction } = analyzeMixture(both, { target: 4 });
    expect(prediction!.quantities.reduce((sum, n) => sum + n, 0)).toBeCloseTo(4, 12);
  });

  test.each([
    ['{"domains": ["a"]}', /expected domains, and scales/],
    ['{"domains": ["a"], "scales": [{"base": [1]}]}', /neither quantities nor base and laws/],
    ['{"domains": ["a", "b"], "scales": [{"quantities": [1]}]}', /scales\.0\.quantities: expected 2 values/],
    ['{"domains": ["a"], "scales": [{"quantities": [0]}]}', /scales\.0\.quantities\.0/],
    ['{', /expected JSON/],
  ])('refused: %s', async (text, message) => {
    await writeFile(at('wrong.json'), text);
    await expect(readMixtureInput([at('wrong.json')])).rejects.toThrow(message);
  });

  test('files of other domains do not go together', async () => {
    await writeFile(at('one.json'), JSON.stringify({ domains: ['a', 'b'], scales: [{ quantities: [1, 2] }] }));
    await writeFile(at('two.json'), JSON.stringify({ domains: ['a', 'c'], scales: [{ quantities: [1, 2] }] }));
    await expect(readMixtureInput([at('one.json'), at('two.json')])).rejects.toThrow(/the same in all files: a, b/);
  });
});
