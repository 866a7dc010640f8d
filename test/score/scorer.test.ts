import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { trainTokenizer } from '../../lib/data/tokenizer.ts';
import { spearman, summarize } from '../../lib/evaluate/statistics.ts';
import type { RaterConfig } from '../../lib/model/config.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { scoreRows } from '../../lib/score/rater-scores.ts';
import { scorerData } from '../../lib/score/scorer-data.ts';
import { loadScorer, saveScorer } from '../../lib/score/scorer-files.ts';
import { trainScorer, type ScorerLogEntry, type ScorerOptions } from '../../lib/score/scorer.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const reference = openReferenceBackend();
const config: RaterConfig = { ...TINY, initializer_range: 0.3, causal: false, pooling: 'mean', bias: true };
const newRater = (backend: Backend = reference) => SequenceRater.initialize(config, { backend, seed: 2 });

/** Rows of 3 to 6 tokens; what is to be learnt is how often token 3 or a lower one stands in them. */
const samples = {
  tokens: (row: number) => Int32Array.from({ length: 3 + (row % 4) }, (_, t) => (row * (t + 3) + t * t) % 11),
  document: (row: number) => Math.floor(row / 2),
};
const rows = Uint32Array.from({ length: 80 }, (_, i) => i + 5);
const scores = Float64Array.from(rows, (row) => {
  const tokens = [...samples.tokens(row)];
  return 7 + 0.2 * (tokens.filter((token) => token <= 3).length / tokens.length);
});
const problem: ScorerOptions = {
  samples,
  rows,
  scores,
  heldOut: 0.3,
  steps: 24,
  batchSize: 8,
  evaluateEvery: 5,
  optimizer: { kind: 'adamw', lr: 0.02, weightDecay: 0.01, clipNorm: 1 },
  seed: 3,
};

describe('scorerData', () => {
  it('keeps the pieces of a document on one side, whatever other rows there are', () => {
    const data = scorerData(problem);
    const heldOut = new Set(Array.from(data.heldOut, (place) => samples.document(rows[place])));
    for (const place of data.training) expect(heldOut).not.toContain(samples.document(rows[place]));
    expect([...data.training, ...data.heldOut].sort((a, b) => a - b)).toEqual([...rows.keys()]);
    expect(data.heldOut.length / rows.length).toBeCloseTo(0.3, 0);

    const part = scorerData({ ...problem, rows: rows.slice(10), scores: scores.slice(10) });
    expect(Array.from(part.heldOut, (place) => place + 10)).toEqual([...data.heldOut.filter((place) => place >= 10)]);
    expect(scorerData({ ...problem, seed: 4 }).heldOut).not.toEqual(data.heldOut);
  });

  it('standardises by the training rows and clips at 3', () => {
    const outliers = scores.map((score, i) => (i === 0 ? 100 : i === 1 ? -100 : score));
    const data = scorerData({ ...problem, scores: outliers });
    const { mean, standardDeviation } = summarize(Array.from(data.training, (place) => outliers[place]));
    expect([data.mean, data.standardDeviation]).toEqual([mean, standardDeviation]);
    outliers.forEach((score, place) => {
      expect(data.targets[place]).toBe(Math.min(3, Math.max(-3, (score - mean) / standardDeviation)));
    });
    expect(Math.max(...data.targets.map(Math.abs))).toBe(3);
  });

  it('draws every training row once in a pass, in another order each time', () => {
    const data = scorerData(problem);
    const count = data.training.length;
    const tape = Array.from({ length: 40 }, (_, step) => [...data.batch(step, 7)]).flat();
    for (let pass = 0; pass < 3; pass++) {
      const places = tape.slice(pass * count, (pass + 1) * count);
      expect(places.toSorted((a, b) => a - b)).toEqual([...data.training]);
      expect(places).not.toEqual(tape.slice((pass + 1) * count, (pass + 2) * count));
    }
    expect(scorerData(problem).batch(3, 7)).toEqual(data.batch(3, 7));
  });

  it.each<[string, Partial<ScorerOptions>]>([
    ['scores: expected 80 values (one a row), got 3', { scores: [1, 2, 3] }],
    ['scores[4]: expected a finite number, got NaN', { scores: scores.map((score, i) => (i === 4 ? NaN : score)) }],
    ['heldOut: expected a finite number > 0, got 0', { heldOut: 0 }],
    ['heldOut: expected a share < 1, got 1', { heldOut: 1 }],
    [
      'scores of the training rows: expected at least two different ones, got "1 of',
      { scores: scores.fill.call(scores.slice(), 1) },
    ],
    [
      'scores of the held-out rows: expected at least two different ones, got "0 of 0 rows"; score more rows',
      { heldOut: 1e-9 },
    ],
  ])('%s', (message, options) => {
    expect(() => scorerData({ ...problem, ...options })).toThrow(message);
  });
});

describe('trainScorer', () => {
  it('makes the updates of the loop written out by hand, and keeps the best parameters', async () => {
    const entries: ScorerLogEntry[] = [];
    const log = join(directory(), 'log.jsonl');
    const rater = await newRater();
    const result = await trainScorer(rater, { ...problem, log, onStep: (entry) => entries.push(entry) });

    const data = scorerData(problem);
    const byHand = await newRater();
    const optimizer = createOptimizer(byHand, problem.optimizer!);
    const kept = new Map<number, { spearman: number; parameters: object }>();
    for (let step = 0; step < 24; step++) {
      optimizer.lr = 0.02 * (step < 3 ? (step + 1) / 3 : 0.1 + 0.45 * (1 + Math.cos((Math.PI * (step - 3)) / 21)));
      const places = data.batch(step, 8);
      const batch = collate(Array.from(places, (place) => ({ inputIds: samples.tokens(rows[place]) })));
      const predicted = await byHand.score(batch);
      const errors = predicted.map((score, i) => score - data.targets[places[i]]);
      expect(entries[step].loss).toBeCloseTo(errors.reduce((sum, e) => sum + e * e, 0) / 8, 12);
      await optimizer.step(
        await byHand.backward(
          batch,
          errors.map((error) => (2 * error) / 8),
        ),
      );
      if (entries[step].spearman === undefined) continue;
      const rated: number[] = [];
      for (const place of data.heldOut) {
        rated.push(...(await byHand.score(collate([{ inputIds: samples.tokens(rows[place]) }]))));
      }
      const measured = spearman(
        rated,
        Array.from(data.heldOut, (place) => scores[place]),
      );
      expect(entries[step].spearman).toBeCloseTo(measured, 12);
      kept.set(step + 1, { spearman: measured, parameters: byHand.parameters.toRecord() });
    }
    expect([...kept.keys()]).toEqual([5, 10, 15, 20, 24]);
    const best = [...kept].reduce((a, b) => (b[1].spearman > a[1].spearman ? b : a));
    expect(result).toMatchObject({ steps: 24, bestStep: best[0], trainingRows: data.training.length });
    expect(result.spearman).toBeCloseTo(best[1].spearman, 12);
    expect(rater.parameters.toRecord()).toEqual(best[1].parameters);
    const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as ScorerLogEntry)).toEqual(entries);
  });

  it('learns what can be read off the tokens', async () => {
    const rater = await newRater();
    const { spearman: reached } = await trainScorer(rater, {
      ...problem,
      steps: 150,
      batchSize: 16,
      evaluateEvery: 30,
    });
    expect(reached).toBeGreaterThan(0.8);
  });

  const interruptions = TESTED_BACKENDS.filter(({ available }) => available).flatMap(({ name, open }) =>
    [1, 5, 6, 23].map((step) => ({ name, open, step })),
  );
  it.each(interruptions)('ends with the bits of an uninterrupted run: $name, step $step', async ({ open, step }) => {
    const backend = await open();
    const whole = await newRater(backend);
    const expected = await trainScorer(whole, problem);

    const resumable = { ...problem, checkpointDir: directory(), log: join(directory(), 'log.jsonl') };
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const onStep = (entry: ScorerLogEntry) => entry.step === step && controller.abort(reason);
    await expect(
      trainScorer(await newRater(backend), { ...resumable, onStep, signal: controller.signal }),
    ).rejects.toBe(reason);
    const rater = await newRater(backend);
    const { seconds: _, ...result } = await trainScorer(rater, resumable);
    expect(expected).toMatchObject(result);
    expect(rater.parameters.toRecord()).toEqual(whole.parameters.toRecord());
    const lines = (await readFile(resumable.log, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as ScorerLogEntry).step)).toEqual(Array.from(lines, (_, i) => i + 1));
    expect((await readdir(directory())).sort()).toEqual(['log.jsonl', 'step-000020', 'step-000024']);
  });

  it('refuses the checkpoints of another run and says what differs', async () => {
    const options = { ...problem, steps: 5, checkpointDir: directory() };
    await trainScorer(await newRater(), options);
    const other = { ...options, batchSize: 4, scores: scores.map((score) => -score) };
    await expect(trainScorer(await newRater(), other)).rejects.toThrow(
      /state of another run: batchSize was 8, is 4; scores was \w+…, is/,
    );
  });

  it('says so where a rater tells no row from another', async () => {
    const rater = await newRater();
    rater.parameters.fill(0);
    const { spearman: none, bestStep } = await trainScorer(rater, {
      ...problem,
      optimizer: { kind: 'sgd', lr: 0 },
      steps: 4,
      evaluateEvery: 2,
    });
    expect([none, bestStep]).toEqual([null, 2]);
  });

  it.each<[string, Partial<ScorerOptions>]>([
    ['steps: expected an integer >= 1, got 0', { steps: 0 }],
    ['batchSize: expected an integer >= 1, got 0', { batchSize: 0 }],
    ['evaluateEvery: expected an integer >= 1, got 0', { evaluateEvery: 0 }],
    ['loss at step 2: expected a finite number, got', { optimizer: { kind: 'sgd', lr: 1e300 } }],
  ])('%s', async (message, options) => {
    await expect(trainScorer(await newRater(), { ...problem, ...options })).rejects.toThrow(message);
  });
});

describe('scoreRows', () => {
  it('gives each row its score in the order asked for, however rows are batched', async () => {
    const rater = await newRater();
    const asked = [40, 7, 7, 12, 33];
    const alone: number[] = [];
    for (const row of asked) alone.push(...(await rater.score(collate([{ inputIds: samples.tokens(row) }]))));
    for (const batchSize of [1, 2, 5]) {
      const progress: number[] = [];
      const found = await scoreRows(rater, samples, asked, {
        batchSize,
        onProgress: ({ done }) => progress.push(done),
      });
      found.forEach((score, i) => expect(score).toBeCloseTo(alone[i], 12));
      expect(progress.at(-1)).toBe(5);
    }
  });

  it('rates rows as they are re-encoded', async () => {
    const rater = await newRater();
    const reencode = (tokens: ArrayLike<number>) => Array.from(tokens, (token) => (token + 1) % 11);
    const moved = { tokens: (row: number) => reencode(samples.tokens(row)) };
    expect(await scoreRows(rater, samples, rows, { reencode })).toEqual(await scoreRows(rater, moved, rows));
  });
});

describe('saveScorer and loadScorer', () => {
  it('keep the rater, how it was made, and its tokenizer', async () => {
    const rater = await newRater();
    const trained = await trainScorer(rater, { ...problem, steps: 5 });
    const path = join(directory(), 'scorer');
    const tokenizer = trainTokenizer(['some text to learn from, some text'], { vocabularySize: 260 });
    await saveScorer(path, rater, { ...trained, column: 'lqs' }, tokenizer);
    const loaded = await loadScorer(path, { backend: reference });
    expect(loaded.record).toEqual({ ...trained, column: 'lqs' });
    expect(loaded.tokenizer).toBe(path);
    const [kept, before] = [await scoreRows(loaded.rater, samples, rows), await scoreRows(rater, samples, rows)];
    kept.forEach((score, i) => expect(score).toBeCloseTo(before[i], 5)); // saved in float32
  });

  it('name what is missing', async () => {
    await expect(loadScorer(directory(), { backend: reference })).rejects.toThrow(/cannot read .*scorer\.json/);
  });
});
