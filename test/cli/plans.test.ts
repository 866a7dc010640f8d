import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCorpus } from '../../lib/data/corpus.ts';
import { openSamples, type Samples } from '../../lib/data/samples.ts';
import { readPlan } from '../../lib/order/plan.ts';
import { writeScoreTable } from '../../lib/score/table.ts';
import type { RowTrace } from '../../lib/select/trace.ts';
import { FILLS } from '../order/forms.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

let dir: string;
let samples: Samples;
let rows: Uint32Array;
const values = new Float64Array(50);
const at = (name: string) => join(dir, name);

async function succeed(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await gradfold(argv);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const json = async (...argv: string[]) => JSON.parse(await succeed(...argv, '--json')) as Record<string, unknown>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-plans-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(80));
  await gradfold(['ingest', at('docs.jsonl'), '-o', at('corpus.arrow')]);
  await gradfold(['tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '16']);
  samples = await openSamples(at('tokens/samples.arrow'));
  rows = samples.rows('train').subarray(0, 50);
  FILLS.normal(values, 1);
  await writeScoreTable(at('scores.arrow'), rows, { lqs: values, length: values.map((x) => -x) });
});
afterAll(() => rm(dir, { recursive: true }));

describe('select', () => {
  const kept = async (...flags: string[]) => {
    const out = at('kept.arrow');
    const result = await json('select', at('scores.arrow'), '-o', out, '--force', ...flags);
    const plan = await readPlan(out);
    expect(result.kept).toBe(plan.rows.length);
    return [...plan.rows];
  };
  const byScore = () => Array.from(rows.keys()).sort((a, b) => values[a] - values[b]);
  const rowsAt = (places: number[]) => places.map((place) => rows[place]).sort((a, b) => a - b);

  test('the high, low and middle part, of either column', async () => {
    expect(await kept('--top-k', '10')).toEqual(rowsAt(byScore().slice(40)));
    expect(await kept('--top-k', '10', '--keep', 'low')).toEqual(rowsAt(byScore().slice(0, 10)));
    expect(await kept('--top-ratio', '0.2', '--keep', 'middle')).toEqual(rowsAt(byScore().slice(20, 30)));
    expect(await kept('--top-k', '10', '--column', 'length')).toEqual(rowsAt(byScore().slice(0, 10)));
  });

  test('between thresholds', async () => {
    const between = byScore().filter((place) => values[place] > -0.5 && values[place] < 0.5);
    expect(await kept('--above', '-0.5', '--below', '0.5')).toEqual(rowsAt(between));
  });

  test('the same number of each domain, with a table of domains', async () => {
    const flags = ['--top-k', '7', '--per-domain', '--samples', at('tokens/samples.arrow')];
    const domains = (await kept(...flags)).map((row) => samples.domain(row));
    expect(domains.filter((domain) => domain === 'garden')).toHaveLength(7);
    expect(domains).toHaveLength(14);
    const text = await succeed('select', at('scores.arrow'), '-o', at('kept.arrow'), '--force', ...flags);
    expect(text).toMatch(/kept 14 of 50 rows: the 7 rows with the highest lqs of each domain/);
    expect(text).toMatch(/^garden +7 +\d+ +[\d.]+ % +\S+ to \S+$/m);
  });

  test('drawn by the seed', async () => {
    const drawn = await kept('--top-k', '10', '--temperature', '2', '--seed', '1');
    expect(await kept('--top-k', '10', '--temperature', '2', '--seed', '1')).toEqual(drawn);
    expect(await kept('--top-k', '10', '--temperature', '2', '--seed', '2')).not.toEqual(drawn);
  });

  test.each([
    [['--top-k', '3', '--above', '0'], '--top-ratio, --top-k and a threshold'],
    [[], 'exactly one of'],
    [['--above', '1', '--keep', 'low'], '--keep goes with --top-ratio or --top-k'],
    [['--below', '1', '--per-domain'], '--per-domain goes with'],
    [['--top-k', '3', '--per-domain'], '--per-domain needs --samples'],
    [['--top-k', '3', '--keep', 'best'], 'Allowed choices are high, low, middle'],
  ])('%j is bad usage', async (flags, message) => {
    const { status, stderr } = await gradfold(['select', at('scores.arrow'), '-o', at('never.arrow'), ...flags]);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  test('keeping nothing is an error, and leaves what was there', async () => {
    await kept('--top-k', '5');
    const args = ['select', at('scores.arrow'), '-o', at('kept.arrow'), '--force', '--above', '99'];
    const { status, stderr } = await gradfold(args);
    expect(status).toBe(1);
    expect(stderr).toContain('nothing would be kept');
    expect((await readPlan(at('kept.arrow'))).rows).toHaveLength(5);
  });
});

describe('order', () => {
  test.each([
    ['shuffle', []],
    ['fold', ['--layers', '4']],
    ['ascending', []],
    ['descending', []],
    ['zigzag', ['--layers', '4']],
    ['jitter', ['--window', '8']],
    ['segments', ['--segments', '4']],
  ])('%s', async (method, flags) => {
    const out = at(`${method}.arrow`);
    await succeed('order', at('scores.arrow'), '-o', out, '--method', method, ...flags);
    const plan = await readPlan(out);
    expect(plan.rows.slice().sort()).toEqual(rows);
    const layers = flags.length > 0 && method !== 'jitter' ? [0, 1, 2, 3] : [0];
    expect([...new Set(plan.layers)].sort()).toEqual(layers);
  });

  test.each([
    ['jitter', '--window'],
    ['segments', '--segments'],
  ])('%s without %s is bad usage', async (method, flag) => {
    const { status, stderr } = await gradfold(['order', at('scores.arrow'), '-o', at('n.arrow'), '--method', method]);
    expect(status).toBe(2);
    expect(stderr).toContain(`${method} needs ${flag}`);
  });
});

describe('explain', () => {
  const sources = () => ['--corpus', at('corpus.arrow'), '--samples', at('tokens/samples.arrow')];

  beforeAll(async () => {
    const scores = at('scores.arrow');
    await succeed('select', scores, '-o', at('half.arrow'), '--top-ratio', '0.5');
    await succeed('order', scores, '-o', at('plan.arrow'), '--plan', at('half.arrow'), '--method', 'zigzag');
  });

  test('each row of a document has scores, ranks and its place, or the threshold it missed', async () => {
    const plan = await readPlan(at('plan.arrow'));
    const best = rows[values.indexOf(Math.max(...values))];
    const worst = rows[values.indexOf(Math.min(...values))];
    for (const [row, rank] of [
      [best, 1],
      [worst, 50],
    ]) {
      const id = await idOf(row);
      const explained = await json(
        'explain',
        id,
        ...sources(),
        '--scores',
        at('scores.arrow'),
        '--plan',
        at('plan.arrow'),
      );
      const traces = explained.rows as RowTrace[];
      expect(explained).toMatchObject({ id, document: samples.document(row), rowCount: traces.length });
      const trace = traces.find((each) => each.row === row)!;
      expect(trace.scores.map(({ column, rank }) => [column, rank])).toEqual([
        ['lqs', rank],
        ['length', 51 - rank],
      ]);
      const position = plan.rows.indexOf(row);
      if (row === best) {
        expect(trace.plans[0]).toMatchObject({ positions: [position], layer: plan.layers[position], dropped: null });
      } else {
        const lowest = Math.min(...[...values].sort((a, b) => b - a).slice(0, 25));
        expect(trace.plans[0]).toMatchObject({ positions: [], dropped: { reason: 'score', lowest } });
      }
    }
  });

  test('one row, as text', async () => {
    const row = rows[values.indexOf(Math.min(...values))];
    const files = ['--scores', at('scores.arrow'), '--plan', at('plan.arrow')];
    const text = await succeed('explain', '--row', String(row), ...sources(), ...files);
    expect(text).toContain(await idOf(row));
    expect(text).toMatch(new RegExp(`^${row} +lqs +-[\\d.]+ +50 +50 +1\\.0`, 'm'));
    expect(text).toContain('the lowest kept; kept is the 50 % with the highest lqs');
  });

  test('the files of a run are found by its conventions', async () => {
    const run = at('run');
    await mkdir(join(run, 'scores/parts'), { recursive: true });
    await mkdir(join(run, 'train/half-seed1/checkpoints/step-1'), { recursive: true });
    await copyFile(at('corpus.arrow'), join(run, 'corpus.arrow'));
    await copyFile(at('tokens/samples.arrow'), join(run, 'samples.arrow'));
    const id = await idOf(rows[0]);
    const before = await json('explain', id, '--run', run);
    expect((before.rows as RowTrace[])[0]).toMatchObject({ scores: [], plans: [] });
    await copyFile(at('scores.arrow'), join(run, 'scores/pool.arrow'));
    await copyFile(at('plan.arrow'), join(run, 'train/half-seed1/plan.arrow'));
    await copyFile(at('half.arrow'), join(run, 'train/half-seed1/checkpoints/step-1/other.arrow'));
    const [trace] = (await json('explain', id, '--run', run)).rows as RowTrace[];
    expect(trace.scores.map(({ file, column }) => [file, column])).toEqual([
      [join(run, 'scores/pool.arrow'), 'lqs'],
      [join(run, 'scores/pool.arrow'), 'length'],
    ]);
    expect(trace.plans.map(({ plan }) => plan)).toEqual(['half-seed1']);
  });

  test('what was selected by one column and ordered by another is explained by the first', async () => {
    const scores = at('scores.arrow');
    await succeed('select', scores, '--column', 'length', '--top-k', '10', '-o', at('long.arrow'));
    await succeed('order', scores, '--plan', at('long.arrow'), '-o', at('long-first.arrow'), '--limit', '4');
    const place = values.indexOf(Math.max(...values)); // the lowest `length`
    const files = ['--scores', scores, '--plan', at('long-first.arrow')];
    const [trace] = (await json('explain', '--row', String(rows[place]), ...sources(), ...files)).rows as RowTrace[];
    expect(trace.plans[0].dropped).toMatchObject({ reason: 'score', score: -values[place] });
    const kept = (await readPlan(at('long.arrow'))).rows;
    const taken = (await readPlan(at('long-first.arrow'))).rows;
    const beyond = kept.find((row) => !taken.includes(row))!;
    const [cut] = (await json('explain', '--row', String(beyond), ...sources(), ...files)).rows as RowTrace[];
    expect(cut.plans[0].dropped).toMatchObject({ reason: 'limit' });
  });

  test('an unknown id brings the closest ones', async () => {
    const { status, stderr } = await gradfold(['explain', 'gardn-12', ...sources()]);
    expect(status).toBe(1);
    expect(stderr).toContain('got "gardn-12"; the closest are garden-12');
  });

  test.each([
    [[], 'exactly one of'],
    [['garden-0', '--row', '3'], 'exactly one of'],
    [['garden-0'], 'give --run, or --corpus and --samples'],
    [['garden-0', '--run', 'x', '--corpus', 'y'], '--run names all files itself'],
  ])('%j is bad usage', async (argv, message) => {
    const { status, stderr } = await gradfold(['explain', ...argv]);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  test('a row beyond the last, and a run that is not there', async () => {
    expect((await gradfold(['explain', '--row', '99999', ...sources()])).stderr).toContain(
      '--row: expected an integer in',
    );
    expect((await gradfold(['explain', 'x', '--run', at('nowhere')])).stderr).toContain('nowhere');
  });

  async function idOf(row: number): Promise<string> {
    return (await openCorpus(at('corpus.arrow'))).id(samples.document(row));
  }
});
