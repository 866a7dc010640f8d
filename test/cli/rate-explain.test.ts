import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSamples } from '../../lib/data/samples.ts';
import { BACKWARD, forwardFlops, raterFlops } from '../../lib/evaluate/compute.ts';
import type { ModelConfig, RaterConfig } from '../../lib/model/config.ts';
import type { Sweep } from '../../lib/recipe/rate-sweep.ts';
import { writeScoreTable } from '../../lib/score/table.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const MODEL = {
  model_type: 'llama',
  vocab_size: 280,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
} as const;
const RATER = { ...MODEL, causal: false, pooling: 'mean', bias: true } as const;
const STEPS = 4;

let dir: string;
const at = (name: string) => join(dir, name);

async function run(...argv: string[]) {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return { json: JSON.parse(stdout) as unknown, stderr };
}

const sweepArgs = (out: string) => [
  ...['rate', 'sweep', at('scores.arrow'), '--samples', at('tokens/samples.arrow'), '--config', at('config.json')],
  ...['--rhos', '0.5,0.9', '--seeds', '1,2', '--steps', String(STEPS), '--batch', '4', '--every', '2', '--lr', '0.01'],
  ...['--validation-rows', '6', '--backend', 'reference', '--rater', at('rater'), '--meta-flops', '1e6'],
  ...['--out', at(out)],
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-sweep-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await writeFile(at('config.json'), JSON.stringify(MODEL));
  await run('ingest', at('docs.jsonl'), '-o', at('corpus.arrow'));
  await run('tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '8');
  await mkdir(at('rater'));
  await writeFile(at('rater/config.json'), JSON.stringify(RATER));
  const rows = (await openSamples(at('tokens/samples.arrow'))).rows('train');
  await writeScoreTable(at('scores.arrow'), rows, { rater: Float64Array.from(rows, (row) => (row * 7919) % 101) });
}, 60_000);
afterAll(() => rm(dir, { recursive: true }));

describe('rate sweep', () => {
  it('compares trainings at several ρ with no filter, and accounts for what scoring costs', async () => {
    const { json, stderr } = await run(...sweepArgs('first'));
    const sweep = json as Sweep;
    expect(stderr.match(/\[\d\/6\] train/g)).toHaveLength(6);
    const { count, length } = await openSamples(at('tokens/samples.arrow')).then((samples) => ({
      count: samples.rows('train').length,
      length: samples.length,
    }));
    expect(sweep.rows.map(({ rho, rows }) => [rho, rows])).toEqual([
      [0, count],
      [0.5, Math.round(count / 2)],
      [0.9, Math.round(count * 0.1)],
    ]);
    const [none, ...others] = sweep.rows;
    expect(none).toMatchObject({ difference: null, gain: null, name: 'no filter' });
    for (const { rho, losses, difference, passes, rows, reached, gain } of others) {
      expect(passes).toBeCloseTo((STEPS * 4) / rows, 12);
      expect(difference!.perSeed).toEqual(losses.map((loss, i) => loss - none.losses[i]));
      const baseline = STEPS * 4 * BACKWARD * forwardFlops(MODEL as ModelConfig, length);
      expect(gain!.metaTraining).toBeCloseTo(1e6 / baseline, 12);
      expect(gain!.scoring).toBeLessThanOrEqual((count * raterFlops(RATER as RaterConfig, length)) / baseline);
      expect(gain!.overSampling).toBeCloseTo(gain!.scoring * rho, 12);
      expect(gain!.perSeed).toHaveLength(2);
      gain!.perSeed.forEach(({ matched, saved, scoring, net }, i) => {
        expect(matched.reached).toBe(reached.perSeed[i] !== null);
        if (matched.reached) expect(matched.other).toBe(reached.perSeed[i]);
        else expect(matched.loss).toBe(losses[i]);
        expect(saved).toBeCloseTo((matched.baseline - matched.other) / STEPS, 12);
        expect(net).toBeCloseTo(saved - scoring - 1e6 / baseline, 9);
      });
    }
    expect(sweep.best).toBe(sweep.rows.reduce((a, b) => (b.mean < a.mean ? b : a)).rho);
    expect(sweep.measure).toBe('mean of domains');
    // Each loss is the last validation in its training's log.
    const log = await readFile(at('first/train/rho-0.5-seed2/log.jsonl'), 'utf8');
    const last = JSON.parse(log.trimEnd().split('\n').at(-1)!) as { validation: Record<string, number> };
    expect(last.validation['mean of domains']).toBe(sweep.rows[1].losses[1]);
  }, 60_000);

  it('goes on where it was interrupted, with the same result', async () => {
    const whole = (await run(...sweepArgs('first'))).json as Sweep;
    const stop = new AbortController();
    const interrupted = await gradfold(sweepArgs('second'), {
      signal: stop.signal,
      onStderr: (text) => text.includes('[3/6]') && stop.abort(),
    });
    expect(interrupted.status).toBe(1);
    await expect(access(at('second/train/rho-0.9-seed2/model'))).rejects.toThrow();
    const { json, stderr } = await run(...sweepArgs('second'));
    expect(stderr.match(/done before/g)!.length).toBeGreaterThanOrEqual(3);
    expect((json as Sweep).rows).toEqual(whole.rows);
  }, 60_000);

  it('prints the table and the best ρ', async () => {
    const { stdout } = await gradfold(sweepArgs('first'));
    expect(stdout).toMatch(/^2 seeds, 4 steps of 4 rows/);
    expect(stdout).toMatch(/^none +\d+ /m);
    expect(stdout).toMatch(/^0\.5 +\d+ /m);
    expect(stdout).toMatch(/Best: (no filter|ρ 0\.[59])/);
    expect(stdout).toMatch(
      /^ρ +saved +scoring +of it, dropped rows +net, without meta-training +meta-training +net gain/m,
    );
    // Costs and a net gain by seed stand there whether or not a seed gets down to the loss.
    for (const rho of ['0.5', '0.9']) {
      const row = new RegExp(`^${rho} +[+−].* ± .*[+−][\\d.]+\\*?, [+−][\\d.]+\\*? +never$`, 'm');
      expect(stdout).toMatch(row);
    }
  }, 60_000);

  it('takes what training the rater took from its record, where nothing else is given', async () => {
    const given = ((await run(...sweepArgs('first'))).json as Sweep).rows[1].gain;
    await writeFile(at('rater/scorer.json'), JSON.stringify({ format: 1, column: 'rater', metaFlops: 1e6 }));
    const recorded = sweepArgs('first').filter((arg) => arg !== '--meta-flops' && arg !== '1e6');
    expect(((await run(...recorded)).json as Sweep).rows[1].gain).toEqual(given);
    const none = sweepArgs('first').map((arg) => (arg === '1e6' ? '0' : arg));
    expect(((await run(...none)).json as Sweep).rows.map(({ gain }) => gain?.metaTraining ?? 0)).toEqual([0, 0, 0]);
    await rm(at('rater/scorer.json'));
  }, 60_000);

  it('looks at the rater before it trains', async () => {
    const args = sweepArgs('fourth').map((arg) => (arg === at('rater') ? at('wrong') : arg));
    expect((await gradfold(args)).stderr).toContain(join(at('wrong'), 'config.json'));
    await mkdir(at('wrong'));
    await writeFile(at('wrong/config.json'), JSON.stringify(MODEL));
    const { stderr, status } = await gradfold(args);
    expect(status).toBe(1);
    expect(stderr).toContain(`--rater ${at('wrong')}: expected the folder of a rater`);
    expect(stderr).not.toContain('train no filter');
  }, 60_000);

  it('refuses rows of the validation split, and a domain that has none', async () => {
    const samples = await openSamples(at('tokens/samples.arrow'));
    const rows = Uint32Array.from({ length: samples.count }, (_, row) => row);
    await writeScoreTable(at('all.arrow'), rows, { rater: Float64Array.from(rows) });
    const args = sweepArgs('third');
    const leaked = await gradfold(args.map((arg) => (arg === at('scores.arrow') ? at('all.arrow') : arg)));
    expect(leaked.stderr).toMatch(/split of row \d+ of the score table: expected any but validation/);
    const unknown = await gradfold([...args, '--domain', 'nowhere']);
    expect(unknown.stderr).toContain('domain: expected one with validation rows');
    const all = await gradfold(args.map((arg) => (arg === '0.5,0.9' ? '1' : arg)));
    expect(all.stderr).toContain("'--rhos <list>' argument '1' is invalid. expected a number > 0 and < 1");
    const meta = await gradfold(args.filter((arg) => arg !== '--rater' && arg !== at('rater')));
    expect(meta.stderr).toContain('--meta-flops needs --rater');
  }, 60_000);
});

describe('rate explain', () => {
  const explain = (...more: string[]) => [
    ...['rate', 'explain', at('scores.arrow'), '--samples', at('tokens/samples.arrow')],
    ...['--corpus', at('corpus.arrow'), ...more],
  ];

  it('prints what explains the scores and draws a page without scripts', async () => {
    const { stdout, status } = await gradfold(explain('--out', at('page.html'), '--shown', '2'));
    expect(status).toBe(0);
    expect(stdout).toMatch(/text heuristics explain -?[\d.]+ % of the variance of rater/);
    expect(stdout).toMatch(/^kept of domain +rows .*ρ 0\.9$/m);
    const page = await readFile(at('page.html'), 'utf8');
    expect(page).not.toMatch(/<script|NaN|undefined|Infinity/);
    expect(page.match(/<svg /g)).toHaveLength(4);
    expect((await gradfold(explain('--out', at('page.html')))).stderr).toContain('exists already');
  }, 60_000);

  it('names the file of a row that the samples do not have, before it reads texts', async () => {
    const { count } = await openSamples(at('tokens/samples.arrow'));
    await writeScoreTable(at('strange.arrow'), Uint32Array.of(0, count), { rater: Float64Array.of(1, 2) });
    const { stderr } = await gradfold(explain().map((arg) => (arg === at('scores.arrow') ? at('strange.arrow') : arg)));
    expect(stderr).toContain(
      `row of ${at('strange.arrow')}: expected below ${count}, the rows of the samples, got ${count}`,
    );
  });

  it('gives all of it as JSON', async () => {
    const { json } = await run(...explain('--folds', '5'));
    const result = json as {
      documents: number;
      features: object[];
      lasso: { folds: number; path: object[] };
      path: null;
    };
    expect(result.features).toHaveLength(23);
    expect(result.lasso.folds).toBe(5);
    expect(result.path).toBeNull();
    expect(JSON.stringify(json)).not.toContain('{"0":'); // typed arrays as lists
  }, 60_000);
});
