import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { collate } from '../../lib/data/batch.ts';
import type { RaterConfig, RaterSettings } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer } from '../../lib/model/optimizer.ts';
import { SequenceRater } from '../../lib/model/sequence-rater.ts';
import { ARCHITECTURES, TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
const directory = useTemporaryDirectory();
const SETTINGS: RaterSettings = { causal: false, pooling: 'mean', bias: true };
const CONFIG: RaterConfig = { ...TINY, ...SETTINGS };
const batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5] }]);
let rater: SequenceRater;
beforeAll(async () => {
  rater = await SequenceRater.initialize(CONFIG, { backend, seed: 5 });
});

describe('initialize', () => {
  it('draws the backbone as a language model has it, a head of its own, and no output matrix', async () => {
    const { 'score_head.weight': head, 'score_head.bias': bias, ...backbone } = rater.parameters.toRecord();
    const model = await LanguageModel.initialize(TINY, { backend, seed: 5 });
    const { 'lm_head.weight': _, ...expected } = model.parameters.toRecord();
    expect(backbone).toEqual(expected);
    expect(head).toHaveLength(TINY.hidden_size);
    expect([...bias]).toEqual([0]);
    const bare = await SequenceRater.initialize({ ...CONFIG, bias: false }, { backend, seed: 5 });
    expect(bare.parameterCount).toBe(rater.parameterCount - 1);
  });

  it.each<[object, RegExp]>([
    [{ causal: undefined }, /causal: expected true or false, got undefined/],
    [{ pooling: 'max' }, /pooling: expected "mean", "last" or "first", got "max"/],
    [{ bias: 1 }, /bias: expected true or false, got 1/],
  ])('names a bad setting: %o', async (fields, message) => {
    const config = { ...CONFIG, ...fields } as RaterConfig;
    await expect(SequenceRater.initialize(config, { backend, seed: 1 })).rejects.toThrow(message);
  });
});

describe('savePretrained and fromPretrained', () => {
  it.each(Object.entries(ARCHITECTURES))('keep a rater: %s', async (_, architecture) => {
    const saved = await SequenceRater.initialize({ ...architecture, ...SETTINGS }, { backend, seed: 2 });
    await saved.savePretrained(directory());
    const config = JSON.parse(await readFile(join(directory(), 'config.json'), 'utf8')) as { architectures: string[] };
    expect(config).toMatchObject(SETTINGS);
    expect(config.architectures[0]).toMatch(/^(Llama|Mistral|GPT2|Bert)Model$/);
    const loaded = await SequenceRater.fromPretrained(directory(), { backend });
    expect(await loaded.score(batch)).toEqual(await saved.score(batch));
    expect(loaded.config).toMatchObject(SETTINGS);
  });

  it.each(Object.entries(ARCHITECTURES))('make a rater of a language model: %s', async (_, architecture) => {
    const model = await LanguageModel.initialize({ ...architecture, tie_word_embeddings: false }, { backend, seed: 2 });
    await model.savePretrained(directory());
    const made = await SequenceRater.fromPretrained(directory(), { backend, rater: SETTINGS, seed: 9 });
    const source = model.parameters.toRecord();
    for (const [name, values] of Object.entries(made.parameters.toRecord())) {
      if (!name.startsWith('score_head.')) expect(values).toEqual(source[name]);
    }
    const fresh = await SequenceRater.initialize({ ...architecture, ...SETTINGS }, { backend, seed: 9 });
    expect(made.parameters.toRecord()['score_head.weight']).toEqual(fresh.parameters.toRecord()['score_head.weight']);
  });

  it('tell the two kinds of directory apart', async () => {
    await rater.savePretrained(directory());
    const again = SequenceRater.fromPretrained(directory(), { backend, rater: SETTINGS, seed: 1 });
    await expect(again).rejects.toThrow(/rater: expected no settings \(.* holds a rater with its own\)/);
    await expect(LanguageModel.fromPretrained(directory(), { backend })).rejects.toMatchObject({
      code: 'INVALID_FILE',
    });
    const model = await LanguageModel.initialize(TINY, { backend, seed: 2 });
    const path = join(directory(), 'model');
    await model.savePretrained(path);
    await expect(SequenceRater.fromPretrained(path, { backend })).rejects.toThrow(/rater: .*holds a language model/);
    const unseeded = SequenceRater.fromPretrained(path, { backend, rater: SETTINGS });
    await expect(unseeded).rejects.toThrow(/seed: expected an integer/);
  });
});

describe('score and backward', () => {
  it('need no labels', async () => {
    const { labels: _, ...rows } = batch;
    expect(await rater.score(rows)).toEqual(await rater.score(batch));
  });

  it('pool what their names say', async () => {
    const score = async (fields: Partial<RaterSettings>, ids: number[]) => {
      const other = await SequenceRater.initialize({ ...CONFIG, causal: true, ...fields }, { backend, seed: 5 });
      return (await other.score(collate([{ inputIds: ids }])))[0];
    };
    // With a causal mask the first token sees itself alone, and the last one all.
    expect(await score({ pooling: 'first' }, [1, 2, 3])).toBe(await score({ pooling: 'first' }, [1, 7, 8]));
    expect(await score({ pooling: 'last' }, [1, 2, 3])).not.toBe(await score({ pooling: 'last' }, [7, 2, 3]));
    const prefixes = [[1], [1, 2], [1, 2, 3]];
    const last = await Promise.all(prefixes.map((ids) => score({ pooling: 'last' }, ids)));
    expect(await score({ pooling: 'mean' }, [1, 2, 3])).toBeCloseTo((last[0] + last[1] + last[2]) / 3, 12);
  });

  it('name a row without any token, and what does not fit', async () => {
    const empty = collate([{ inputIds: [1] }, { inputIds: [] }]);
    await expect(rater.score(empty)).rejects.toThrow(/row 1: expected at least one token/);
    await expect(rater.backward(batch, [1])).rejects.toThrow(/scoreGradients: expected 2 values.*got 1/);
    await expect(rater.backward(batch, [1, Infinity])).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: /scoreGradients\[1\]: expected a finite number, got Infinity/,
    });
    await expect(rater.backward(batch, [1, 1], { into: rater.parameters })).rejects.toThrow(/into: .*the model's/);
    const model = await LanguageModel.initialize(TINY, { backend, seed: 2 });
    await expect(rater.backward(batch, [1, 1], { into: model.vector() })).rejects.toThrow(
      /into: expected a vector of a llama rater model/,
    );
    await expect(rater.backward(batch, [1, 1], { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  });

  it('train a rater towards its targets', async () => {
    const learner = await SequenceRater.initialize({ ...CONFIG, initializer_range: 0.3 }, { backend, seed: 5 });
    const optimizer = createOptimizer(learner, { kind: 'adamw', lr: 0.05 });
    const targets = [1, -1];
    for (let step = 0; step < 40; step++) {
      const errors = (await learner.score(batch)).map((score, i) => score - targets[i]);
      await optimizer.step(await learner.backward(batch, errors));
    }
    const errors = (await learner.score(batch)).map((score, i) => Math.abs(score - targets[i]));
    expect(Math.max(...errors)).toBeLessThan(0.1);
  });

  it('reject after dispose', async () => {
    const short = await SequenceRater.initialize(CONFIG, { backend, seed: 5 });
    short.dispose();
    await expect(short.score(batch)).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});
