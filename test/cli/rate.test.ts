import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { openCorpus } from '../../lib/data/corpus.ts';
import { openSamples, type Split } from '../../lib/data/samples.ts';
import { uniformOf } from '../../lib/data/splits.ts';
import { forwardFlops, metaTrainingFlops, raterFlops } from '../../lib/evaluate/compute.ts';
import type { RaterConfig } from '../../lib/model/config.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { planInOrder, readPlan, writePlan } from '../../lib/order/plan.ts';
import { writeScores } from '../../lib/score/columns.ts';
import { readScoreTable, writeScoreTable } from '../../lib/score/table.ts';
import { ratioFor } from '../../lib/select/discard.ts';
import { PointFilter } from '../../lib/select/point-filter.ts';
import { recordOf } from '../../lib/select/plan-record.ts';
import { rowNames } from '../../lib/select/row-names.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

const BACKEND = ['--backend', 'reference'];
const SHAPE = { hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
let dir: string;
const at = (name: string) => join(dir, name);

/** Runs a command that must succeed; resolves to its JSON. */
async function run(...argv: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr.split('\n').filter((line) => line.startsWith('gradfold:'))).toEqual([]);
  expect(status).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const rate = (out: string, ...options: string[]) => [
  ...['rate', 'train', at('tokens/samples.arrow'), '--config', at('model.json'), '-o', at(out), '--steps', '4'],
  ...['--batch', '3', '--target-batch', '2', '--population', '2', '--life', '4', '--ages', '2,4'],
  ...['--checkpoint-every', '2', ...BACKEND, ...options],
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-rate-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await writeFile(at('model.json'), JSON.stringify({ model_type: 'llama', vocab_size: 280, ...SHAPE }));
  await run('ingest', at('docs.jsonl'), '-o', at('corpus.arrow'));
  await run('tokenize', at('corpus.arrow'), '-o', at('tokens'), '--vocabulary', '280', '--length', '8');
  await run(...rate('rater'));
  await run(
    ...['rate', 'score', at('tokens/samples.arrow'), '--rater', at('rater/model'), '-o', at('scores.arrow')],
    ...BACKEND,
  );
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

test('rate train leaves a rater, a log and checkpoints', async () => {
  expect((await readdir(at('rater'))).sort()).toEqual(['checkpoints', 'command.json', 'log.jsonl', 'model', 'starts']);
  const record = JSON.parse(await readFile(at('rater/model/scorer.json'), 'utf8')) as object;
  expect(record).toMatchObject({ column: 'rater', method: 'datarater', steps: 4, ratedRows: 48 });
  const lines = (await readFile(at('rater/log.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([1, 2, 3, 4]);
});

test('a finished rater is left as it is, and a killed run gone on with, by the same command', async () => {
  const before = await Promise.all(['rater', 'rater/model'].map((name) => readdir(at(name))));
  const weights = await readFile(at('rater/model/model.safetensors'));
  const unchanged = async () => (await readFile(at('rater/model/model.safetensors'))).equals(weights);
  const again = await run(...rate('rater'));
  expect(again).toMatchObject({ path: at('rater/model'), steps: 4, ratedRows: 48 });
  expect((await gradfold(rate('rater'))).stdout).toContain('finished before, with 4 meta-steps');
  expect(await Promise.all(['rater', 'rater/model'].map((name) => readdir(at(name))))).toEqual(before);

  const other = await gradfold(rate('rater', '--lr', '0.5'));
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining('lr was 0.003, is 0.5')]);

  // What a kill after the last meta-step leaves; with --force it is gone on with as well, not begun again.
  for (const flags of [[], ['--force']]) {
    await rm(at('rater/model'), { recursive: true });
    const log = await readFile(at('rater/log.jsonl'), 'utf8'); // its seconds would differ
    await run(...rate('rater', ...flags));
    expect(await unchanged()).toBe(true);
    expect(await readFile(at('rater/log.jsonl'), 'utf8')).toBe(log);
  }
});

test('--force begins anew, and leaves files of others alone', async () => {
  await mkdir(at('shared'));
  await writeFile(at('shared/notes.txt'), 'mine');
  await run(...rate('shared', '--steps', '1'));
  await run(...rate('shared', '--steps', '2', '--force'));
  expect((await readdir(at('shared'))).sort()).toEqual(
    ['checkpoints', 'command.json', 'log.jsonl', 'model', 'notes.txt', 'starts'].sort(),
  );
  const lines = (await readFile(at('shared/log.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  await rm(at('shared/command.json'));
  expect((await gradfold(rate('shared', '--steps', '2'))).stderr).toContain('exists already');
});

test('rate train tells rated rows from those that beginnings are trained on', async () => {
  const fingerprints = async (out: string, step: string) => {
    const read = async (kind: string, name: string) =>
      (JSON.parse(await readFile(at(`${out}/${kind}/${name}/trainer.json`), 'utf8')) as { fingerprint: object })
        .fingerprint as Record<string, string>;
    return { starts: await read('starts', 'step-000004'), rater: await read('checkpoints', step) };
  };
  await run(...rate('both', '--rated', 'inner', '--steps', '1'));
  const both = await fingerprints('both', 'step-000001');
  const apart = await fingerprints('rater', 'step-000004');
  expect(both.rater['rated rows']).toBe('inner');
  expect(both.starts.rows).toBe(both.rater['inner rows']);
  expect(apart.starts.rows).toBe(apart.rater['inner rows']);
  expect(new Set([apart.rater['rated rows'], apart.starts.rows, both.starts.rows]).size).toBe(3);
  expect((await gradfold(rate('no', '--rated', '1.5'))).stderr).toContain('expected a share in (0, 1), or inner');
});

test('rate train takes target rows of a split, which must not be rated ones', async () => {
  const samples = await openSamples(at('tokens/samples.arrow'));
  const target = ['--target', at('tokens/samples.arrow')];
  expect((await gradfold(rate('no', ...target, '--target-split', 'all'))).stderr).toMatch(
    /target rows: expected no row of the training split, got "row \d+"; give another --target-split/,
  );
  await run(...rate('named', ...target, '--steps', '4'));
  const settings = async (out: string) => {
    const { fingerprint } = JSON.parse(await readFile(at(`${out}/command.json`), 'utf8')) as {
      fingerprint: Record<string, string>;
    };
    return fingerprint;
  };
  expect(await settings('named')).toEqual(await settings('rater'));
  expect(samples.rows('target').length).toBeGreaterThan(0);
});

test('rate train clips meta-gradients that keep their norms', async () => {
  const refused = await gradfold(rate('no', '--clip-norm', '1'));
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('add --no-normalize')]);
  const flags = ['--shared-optimizer', '--first-order', '--warmup', '2', '--weight-decay', '0.1', '--steps', '2'];
  const weights = [];
  for (const [out, ...own] of [
    ['free', '--no-normalize'],
    ['clipped', '--no-normalize', '--clip-norm', '1e-9'],
  ]) {
    await run(...rate(out, ...flags, ...own));
    weights.push(await readFile(at(`${out}/model/model.safetensors`)));
  }
  expect(weights[0].equals(weights[1])).toBe(false);
});

test('rate train begins some inner models at fresh parameters', async () => {
  await run(...rate('mixed', '--ages', '0,2', '--life', '2', '--steps', '4', '--population', '1', '--burn-in', '1'));
  const record = JSON.parse(await readFile(at('mixed/model/scorer.json'), 'utf8')) as { burnInSteps: number };
  expect(record.burnInSteps).toBe(4);
  const { starts } = (
    JSON.parse(await readFile(at('mixed/checkpoints/step-000004/trainer.json'), 'utf8')) as {
      fingerprint: Record<string, string>;
    }
  ).fingerprint;
  await run(...rate('unmixed', '--ages', '2', '--life', '2', '--steps', '4', '--population', '1', '--burn-in', '1'));
  const other = JSON.parse(await readFile(at('unmixed/checkpoints/step-000004/trainer.json'), 'utf8')) as {
    fingerprint: Record<string, string>;
  };
  expect(other.fingerprint.starts).not.toBe(starts);
});

test('the record says what the training took: meta-steps, and plain steps of the oldest beginning', async () => {
  const { metaFlops } = JSON.parse(await readFile(at('rater/model/scorer.json'), 'utf8')) as { metaFlops: number };
  const { length } = await openSamples(at('tokens/samples.arrow'));
  const config = JSON.parse(await readFile(at('rater/model/config.json'), 'utf8')) as RaterConfig;
  const size = {
    ...{ metaSteps: 4, innerModels: 2, innerSteps: 2, innerBatch: 3, outerBatch: 2, startSteps: 4 },
    ...{ modelFlops: forwardFlops(config, length), raterFlops: raterFlops(config, length) },
  };
  expect(metaFlops).toBe(metaTrainingFlops(size));
});

test('rate train --from-model begins with a trained backbone', async () => {
  await run(...rate('as-inner', '--from-model', 'inner', '--causal', '--steps', '1'));
  const config = JSON.parse(await readFile(at('as-inner/model/config.json'), 'utf8')) as object;
  expect(config).toMatchObject({ causal: true });

  const model = ['train', '--samples', at('tokens/samples.arrow'), '--config', at('model.json'), '--steps', '1'];
  await run(...model, '--batch', '3', ...BACKEND, '-o', at('lm'));
  await run(...rate('as-lm', '--from-model', at('lm/model'), '--steps', '1', '--lr', '1e-9'));
  const [theirs, own] = await Promise.all(['lm', 'as-lm'].map((name) => embeddings(at(`${name}/model`))));
  expect(own.length).toBe(280 * 8);
  // A step of 1e-9 is lost in float32; a fresh backbone would have nothing of theirs.
  expect(Math.max(...own.map((x, i) => Math.abs(x - theirs[i])))).toBeLessThan(1e-6);

  const both = await gradfold(rate('no', '--from-model', 'inner', '--rater-config', at('model.json')));
  expect(both.stderr).toContain('leave out --rater-config');
  const fresh = await gradfold(rate('no', '--from-model', 'inner', '--ages', '0'));
  expect(fresh.stderr).toContain('need an age above 0');
});

test('rate train --features gives numbers of a row weights in its score', async () => {
  await run(...rate('featured', '--features', 'loss,order_gain,distinct_tokens', '--steps', '2'));
  const config = JSON.parse(await readFile(at('featured/model/config.json'), 'utf8')) as RaterConfig;
  expect(config.features!.map(({ name }) => name)).toEqual(['loss', 'order_gain', 'distinct_tokens']);
  // Of the tokenizer beside the table: a word begins with its space, and byte 10 is a line feed.
  const { wordStarts } = config.features![1];
  expect(wordStarts!.length).toBeGreaterThan(1);
  expect(wordStarts!.length).toBeLessThan(config.vocab_size / 2);
  const argv = ['rate', 'score', at('tokens/samples.arrow'), '--rater', at('featured/model'), ...BACKEND];
  await run(...argv, '-o', at('featured.arrow'));
  expect((await readScoreTable(at('featured.arrow'), 'rater')).scores.every(Number.isFinite)).toBe(true);

  expect((await gradfold(rate('no', '--features', 'loss', '--ages', '0'))).stderr).toContain('need an age above 0');
  const unknown = await gradfold(rate('no', '--features', 'length'));
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toContain('--features: expected some of loss, order_gain, distinct_tokens, got "length"');
});

async function embeddings(directory: string): Promise<Float32Array> {
  const backend = await openBackend('reference');
  const raterSettings = (await readdir(directory)).includes('scorer.json')
    ? {}
    : { rater: { causal: false, pooling: 'mean', bias: false } as const, seed: 0 };
  const rater = await SequenceRater.fromPretrained(directory, { backend, ...raterSettings });
  const found = Float32Array.from(rater.parameters.toRecord()['model.embed_tokens.weight']);
  backend.dispose();
  return found;
}

test('rate score rates the training split, or what is asked for', async () => {
  const { rows, scores } = await readScoreTable(at('scores.arrow'), 'rater');
  const samples = await openSamples(at('tokens/samples.arrow'));
  expect(rows).toEqual(samples.rows('train'));
  expect(new Set(scores).size).toBeGreaterThan(1);
  const score = ['rate', 'score', at('tokens/samples.arrow'), '--rater', at('rater/model'), ...BACKEND];
  await run(...score, '--split', 'validation', '-o', at('validation.arrow'));
  expect((await readScoreTable(at('validation.arrow'), 'rater')).rows).toEqual(samples.rows('validation'));
  expect(await run(...score, '--split', 'all', '-o', at('all.arrow'))).toMatchObject({ rows: samples.count });
});

test('held-out rows that were scored and kept are not trained on, and counted', async () => {
  const samples = await openSamples(at('tokens/samples.arrow'));
  const rows = Uint32Array.from({ length: samples.count }, (_, row) => row);
  await writePlan(at('leaky.arrow'), planInOrder(rows));
  const argv = ['train', at('leaky.arrow'), '--samples', at('tokens/samples.arrow'), '--config', at('model.json')];
  const { status, stdout, stderr } = await gradfold([...argv, '--batch', '8', ...BACKEND, '-o', at('kept'), '--json']);
  expect(status).toBe(0);
  const count = (split: Split) => samples.rows(split).length;
  const heldOut = { target: count('target'), validation: count('validation') };
  expect(Math.min(...Object.values(heldOut))).toBeGreaterThan(0);
  // One pass over the rows that stay.
  const steps = Math.ceil((count('train') + count('proxy')) / 8);
  expect(JSON.parse(stdout)).toMatchObject({ heldOut, steps });
  expect(stderr).toContain(
    `left out rows that are held out: ${heldOut.target} of the split target, ${heldOut.validation} of the split validation`,
  );
  await writePlan(at('leaky.arrow'), planInOrder(samples.rows('validation')));
  const nothing = await gradfold([...argv, ...BACKEND, '-o', at('none')]);
  expect(nothing.status).toBe(1);
  expect(nothing.stderr).toContain('expected some of the split train, got "only rows of validation"');
});

test('rate filter says what is wrong with a table', async () => {
  const filter = (file: string, ...more: string[]) =>
    gradfold(['rate', 'filter', at(file), '--batch', '4', '-o', at('never.arrow'), ...more]);
  await writeScoreTable(at('twice.arrow'), Uint32Array.of(4, 2, 4), { rater: Float64Array.of(1, 2, 3) });
  expect((await filter('twice.arrow')).stderr).toContain(`rows of ${at('twice.arrow')}: expected each row once, got 4`);
  await writeFile(
    at('text.arrow'),
    tableToIPC(tableFromArrays({ row: Uint32Array.of(0, 1), rater: ['a', 'b'] }), 'file'),
  );
  const text = (await filter('text.arrow')).stderr;
  expect(text).toContain(`column "rater" of ${at('text.arrow')}: expected scores of float64 or float32`);
  expect(text).not.toContain('did you mean');
  const unused = await filter('scores.arrow', '--method', 'batch', '--reference', at('scores.arrow'));
  expect(unused.status).toBe(2);
  expect(unused.stderr).toContain('--reference is for --method point');
});

test('rate filter says that a table without row numbers is read by place', async () => {
  await writeScores(at('places.arrow'), { rater: Float64Array.from({ length: 20 }, (_, i) => i) });
  const { status, stderr } = await gradfold(['rate', 'filter', at('places.arrow'), '-o', at('by-place.arrow')]);
  expect(status).toBe(0);
  expect(stderr).toContain(`${at('places.arrow')} has no column "row": taken as the scores of rows 0 to 19`);
});

test.each(['point', 'batch'])('rate filter --method %s makes a plan that says what it is', async (method) => {
  const argv = ['rate', 'filter', at('scores.arrow'), '--method', method, '--discard', '0.5', '--batch', '4'];
  const result = await run(...argv, '-o', at(`${method}.arrow`));
  expect(result).toMatchObject({ candidates: 8, keep: 4, method });
  const { rows, metadata } = await readPlan(at(`${method}.arrow`));
  const { rows: all } = await readScoreTable(at('scores.arrow'), 'rater');
  expect(rows).toHaveLength(result.rows as number);
  expect(Math.abs(rows.length / all.length - 0.5)).toBeLessThan(0.2);
  expect(new Set(rows).size).toBe(rows.length);
  expect(recordOf('plan', metadata).from).toContain(`by the ${method} filter: 4 of 8 by rater`);
});

test('rate filter decides by the ids of documents, wherever they are in a corpus', async () => {
  // The same documents the other way round: other row numbers, and the same scores for the same pieces.
  const lines = (await readFile(at('docs.jsonl'), 'utf8')).trimEnd().split('\n');
  await writeFile(at('turned.jsonl'), lines.reverse().join('\n'));
  await run('ingest', at('turned.jsonl'), '-o', at('turned.arrow'));
  const tokenizer = ['--tokenizer', at('tokens/tokenizer.json'), '--length', '8'];
  await run('tokenize', at('turned.arrow'), '-o', at('turned'), ...tokenizer);
  const keptOf = async (tokens: string, corpusFile: string) => {
    const [samples, corpus] = await Promise.all([
      openSamples(at(`${tokens}/samples.arrow`)),
      openCorpus(at(corpusFile)),
    ]);
    const rows = Uint32Array.from({ length: samples.count }, (_, row) => row);
    const names = rowNames(samples, corpus, rows);
    expect(new Set(names).size).toBe(rows.length);
    const scores = Float64Array.from(names, (name) => uniformOf(`score/${name}`, 0));
    await writeScoreTable(at(`${tokens}-scores.arrow`), rows, { rater: scores });
    const files = ['--samples', at(`${tokens}/samples.arrow`), '--corpus', at(corpusFile)];
    const argv = ['rate', 'filter', at(`${tokens}-scores.arrow`), '--seed', '3', '--discard', '0.5'];
    await run(...argv, ...files, '-o', at(`${tokens}-kept.arrow`));
    const { rows: kept } = await readPlan(at(`${tokens}-kept.arrow`));
    const { batch, keep } = ratioFor(32, 0.5);
    const filter = new PointFilter({ reference: scores, batch, keep, seed: 3 });
    expect([...kept].sort((a, b) => a - b)).toEqual([...rows.filter((row) => filter.keeps(names[row], scores[row]))]);
    return Array.from(kept, (row) => names[row]).sort();
  };
  const [straight, turned] = [await keptOf('tokens', 'corpus.arrow'), await keptOf('turned', 'turned.arrow')];
  expect(turned).toEqual(straight);
  const alone = ['rate', 'filter', at('scores.arrow'), '-o', at('no.arrow'), '--samples', at('tokens/samples.arrow')];
  expect(await gradfold(alone)).toMatchObject({ status: 2 });
  expect(await gradfold([...alone, '--corpus', at('corpus.arrow'), '--method', 'batch'])).toMatchObject({ status: 2 });
});

test('train takes a rater as its filter', async () => {
  const argv = ['train', '--samples', at('tokens/samples.arrow'), '--config', at('model.json'), '--steps', '2'];
  const rated = [...argv, '--batch', '3', '--rater', at('rater/model'), '--discard', '0.4', ...BACKEND];
  expect(await run(...rated, '--rater-weights', '1', '-o', at('trained'))).toMatchObject({ steps: 2 });
  expect((await gradfold([...rated, '--greedy', '2', '-o', at('no')])).status).toBe(2);
  for (const flag of ['--discard', '--rater-weights']) {
    const { status, stderr } = await gradfold([...argv, flag, '0.5', ...BACKEND, '-o', at('no')]);
    expect(status).toBe(2);
    expect(stderr).toContain('--discard and --rater-weights say how --rater is used');
  }
});

test('a configuration that lacks something is named with its file', async () => {
  await writeFile(at('sizeless.json'), JSON.stringify({ model_type: 'llama', ...SHAPE }));
  const message = `gradfold: ${at('sizeless.json')}: vocab_size: expected an integer >= 1, got undefined`;
  const config = ['--config', at('sizeless.json'), '-o', at('no'), ...BACKEND];
  for (const argv of [rate('no', ...config), ['train', '--samples', at('tokens/samples.arrow'), ...config]]) {
    const { status, stderr } = await gradfold(argv);
    expect([status, stderr]).toEqual([1, expect.stringContaining(message)]);
  }
});
