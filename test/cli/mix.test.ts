import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { MixtureAnalysis } from '../../lib/mix/analysis.ts';
import { temporaryDirectory } from '../data/helpers.ts';
import { gradfold } from '../support/cli.ts';

const directory = temporaryDirectory();
const at = (name: string) => join(directory, name);
const PUBLISHED = fileURLToPath(new URL('../fixtures/autoscale/redpajama-gpt2-large.csv', import.meta.url));

async function lines(argv: string[]): Promise<string[]> {
  const run = await gradfold(argv);
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  return run.stdout.trimEnd().split('\n');
}

/** Results at two scales, the second with weaker laws. */
function results(): string {
  const rows = [1, 0.6].flatMap((weaker, s) => {
    const row = (domain: string, factor: number, metric: number) => `${domain},${factor},${4 ** s},${metric}`;
    const y = (factor: number, a: number, b: number) => 3 * (1 + weaker * ((factor + a) ** -b - (1 + a) ** -b));
    const law = { prose: [1, 0.8], code: [2, 1.2], mail: [3, 1.5] } as const;
    return [
      row('base', 1, 3),
      ...Object.entries(law).flatMap(([domain, [a, b]], d) =>
        [1 / 3, 3].map((factor) => row(domain, factor, y(factor, a + s * d * 0.4, b))),
      ),
    ];
  });
  return `domain,factor,scale,average\n${rows.join('\n')}\n`;
}

test('fit, optimize, predict: files from one to the next', async () => {
  await writeFile(at('results.csv'), results());
  const fitted = await lines(['mix', 'fit', at('results.csv'), '--out', at('laws.json')]);
  expect(fitted[0]).toBe('scale 1: metric 3.00000 in the base run, 7 runs');
  expect(fitted[1]).toMatch(/^domain +base +× 0\.3333 +× 3 +a +b +c +residual +fit$/);
  expect(fitted[2]).toMatch(/^prose .* 1\.0000 +0\.8000 +0\.4257 +\S+ +exact$/);

  const optimum = ['mix', 'optimize', at('laws.json'), '--out', at('optimum.json')];
  const table = await lines(optimum);
  expect(table.filter((line) => line.startsWith('optimality conditions hold to'))).toHaveLength(2);
  expect((await gradfold(optimum)).stderr).toMatch(/optimum\.json exists already/);
  expect(await lines([...optimum, '--force'])).toEqual(table);

  const fromFile = await gradfold(['mix', 'predict', at('optimum.json'), '--target', '16', '--json']);
  const fromResults = await gradfold(['mix', 'predict', at('results.csv'), '--target', '16', '--json']);
  const { prediction, scales } = JSON.parse(fromFile.stdout) as MixtureAnalysis;
  expect((JSON.parse(fromResults.stdout) as MixtureAnalysis).prediction!.weights).toEqual(
    prediction!.weights.map((w) => expect.closeTo(w, 12) as number),
  );
  const [n1, n2] = scales.map(({ quantities }) => quantities);
  const next = n2.map((n, d) => (n * n) / n1[d]);
  const { prediction: step } = JSON.parse(
    (
      await gradfold([
        ...['mix', 'predict', at('optimum.json'), '--json'],
        ...['--target', String(next.reduce((sum, n) => sum + n, 0))],
      ])
    ).stdout,
  ) as MixtureAnalysis;
  next.forEach((n, d) => expect(step!.quantities[d] / n).toBeCloseTo(1, 10));

  const printed = await lines([
    'mix',
    'predict',
    at('optimum.json'),
    '--target',
    '64',
    '--sizes',
    'prose=1,code=99,mail=99',
  ]);
  expect(printed[0]).toMatch(/^domain +uniform +by size +1 +4 +64 +amount +growth a step +epochs$/);
  expect(printed.filter((line) => line.startsWith('warning:'))).toEqual([
    expect.stringMatching(/steps of extrapolation above/),
    expect.stringMatching(/the amount of prose is [\d.]+ times what there is/),
  ]);
});

test('a scale that is held out is shown beside its prediction', async () => {
  await writeFile(at('two.csv'), results());
  await writeFile(
    at('third.json'),
    JSON.stringify({ domains: ['prose', 'code', 'mail'], scales: [{ quantities: [8, 6, 2] }] }),
  );
  const files = ['mix', 'predict', at('two.csv'), at('third.json'), '--target', '16'];
  const held = JSON.parse((await gradfold([...files, '--hold-out', '--json'])).stdout) as MixtureAnalysis;
  const without = JSON.parse(
    (await gradfold(['mix', 'predict', at('two.csv'), '--target', '16', '--json'])).stdout,
  ) as MixtureAnalysis;
  expect(held.prediction).toEqual(without.prediction);
  expect(held.searched.map(({ weights }) => weights)).toEqual([[0.5, 0.375, 0.125]]);
  expect(held.scales).toHaveLength(2);
  const { weights } = held.prediction!;
  const moved = [0.5, 0.375, 0.125].reduce((sum, w, d) => sum + Math.abs(w - weights[d]), 0) / 2;
  const table = await lines([...files, '--hold-out']);
  expect(table[0]).toMatch(/16, predicted +16, searched +amount/);
  expect(table).toContain(
    `${(100 * moved).toFixed(1)} % of the weight lies in other domains than in the best mixture searched at 16.`,
  );
  const all = JSON.parse((await gradfold([...files, '--json'])).stdout) as MixtureAnalysis;
  expect(all.scales).toHaveLength(3);
  expect(all.searched).toEqual([]);
  const report = ['mix', 'report', at('two.csv'), at('third.json'), '--target', '16', '--hold-out'];
  await lines([...report, '--out', at('held.html')]);
  expect(await readFile(at('held.html'), 'utf8')).toContain('searched at 16');
});

test('the published matrix: exact and published optimum beside each other', async () => {
  const table = await lines(['mix', 'optimize', PUBLISHED, '--descent', '10000']);
  expect(table[1]).toMatch(/^domain +base +weight +amount +× base +bound +descent × base$/);
  expect(table[2]).toMatch(/^common_crawl +14\.3 % +23\.21 % +2\.78529e8 +1\.624754 +1\.624754$/);
  expect(table[3]).toMatch(/^github +14\.3 % +2\.86 % +3\.42857e7 +0\.200000 +floor +0\.200000$/);
  expect(table[9]).toBe('metric by the laws: −5.80 % against the base run');
});

test('data of another shape are named, with what was done instead', async () => {
  await writeFile(
    at('odd.csv'),
    'domain,factor,loss\nbase,1,3\na,1/3,3.1\na,3,3.2\nb,1/3,3\nb,3,3\nc,1/3,2.9\nc,3,3.1\n',
  );
  const fitted = await lines(['mix', 'fit', at('odd.csv')]);
  expect(fitted.slice(5)).toEqual([
    expect.stringMatching(/^a: non-monotone: values rise and fall .*; a law without effect/),
    expect.stringMatching(/^b: flat: all values are equal/),
    expect.stringMatching(/^c: increasing: values rise/),
  ]);
});

test('a page that loads nothing and escapes names', async () => {
  const hostile = results().replaceAll('prose', '<b onclick=alert(1)>prose</b>');
  await writeFile(at('hostile.csv'), hostile);
  const report = ['mix', 'report', at('hostile.csv'), '--target', '16', '--out', at('page.html')];
  const [headline, path] = await lines(report);
  expect(headline).toMatch(/^Predicted for 16: /);
  expect(path).toBe(at('page.html'));
  const html = await readFile(at('page.html'), 'utf8');
  expect(html).not.toMatch(/<script|<link|src=|<b |https?:/);
  expect(html).toContain("default-src 'none'");
  for (const title of ['Weights against scale', 'How the metric answers to each domain', 'Laws at 1', 'Laws at 4']) {
    expect(html).toContain(`<h2>${title}</h2>`);
  }
  expect(html.match(/<svg/g)!.length).toBe(2);
});

test('a page of one scale, with what each domain does to each', async () => {
  const report = ['mix', 'report', PUBLISHED, '--descent', '2000', '--out', at('published.html')];
  expect((await lines(report))[0]).toMatch(
    /^Best at 1\.2e9: 26\.5 % c4, 23\.2 % common_crawl, .* and 4 more; .*−5\.80 %\.$/,
  );
  const html = await readFile(at('published.html'), 'utf8');
  expect(html).toContain('<h2>What each domain does to each, at 1.2e9</h2>');
  expect(html).toContain('by descent');
  expect(html).not.toContain('Weights against scale');
  expect(html).toContain('+22.3 %'); // common_crawl on itself, with a fifth of it
});

test.each([
  [['mix', 'predict', PUBLISHED], 2, /required option '--target <n>' not specified/],
  [['mix', 'predict', PUBLISHED, '--target', '1e10'], 1, /target: expected best amounts at two scales or more/],
  [['mix', 'optimize', PUBLISHED, '--floor', '1.5'], 1, /total: expected at least 1\.8e9, which the floors add up to/],
  [['mix', 'optimize', PUBLISHED, '--cap', 'poems=1'], 1, /caps: expected one of common_crawl/],
  [['mix', 'optimize', PUBLISHED, '--cap', 'github'], 2, /expected NAME=NUMBER/],
  [['mix', 'optimize', PUBLISHED, '--max-epochs', '1'], 1, /sizes: expected the size of each domain/],
  [['mix', 'fit', 'missing.csv'], 1, /cannot read missing\.csv: there is no such file/],
])('refused: %j', async (argv, status, message) => {
  const run = await gradfold(argv);
  expect(run.stderr).toMatch(message);
  expect(run.status).toBe(status);
});
