import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { collate } from '../../lib/data/batch.ts';
import { logLikelihoods } from '../../lib/evaluate/log-likelihood.ts';
import { generate } from '../../lib/generate/generate.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { describeBackends } from '../support/backends.ts';
import { Fixture, relativeError, toBatch, type FixtureBatch } from '../support/fixtures.ts';

interface Golden {
  lastLogits: number[][];
  requests: { context: number[]; continuation: number[]; logLikelihood: number }[];
  greedy: { prompt: number[]; tokens: number[] };
}

const golden = JSON.parse(
  await readFile(new URL('../fixtures/likelihood/expected.json', import.meta.url), 'utf8'),
) as Record<string, Golden>;

describeBackends('logits and likelihoods', ({ open, tolerance }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend.dispose());

  const load = (name: string) => LanguageModel.fromPretrained(new Fixture(name).modelDirectory, { backend });

  describe.each(Object.keys(golden))('%s', (name) => {
    it('logits at the last token are those of transformers', async () => {
      const model = await load(name);
      const batch = toBatch(await new Fixture(name).json<FixtureBatch>('batch'));
      const logits = await model.logits(batch);
      expect(logits).toHaveLength(batch.batch);
      golden[name].lastLogits.forEach((expected, row) =>
        expect(relativeError(logits[row], expected)).toBeLessThan(tolerance.value),
      );
    });

    it('log-likelihoods are those of transformers', async () => {
      const { requests } = golden[name];
      const found = await logLikelihoods(await load(name), requests, { batchSize: 4 });
      requests.forEach(({ logLikelihood }, i) => expect(Math.abs(found[i] - logLikelihood)).toBeLessThan(1e-4));
    });

    it('greedy generation is that of transformers', async () => {
      const { prompt, tokens } = golden[name].greedy;
      const [text] = await generate(await load(name), [prompt], { temperature: 0, maxTokens: tokens.length });
      expect([...text.tokens]).toEqual(tokens);
    });
  });

  describe.each(['llama', 'mistral', 'gpt2', 'packed', 'encoder'])('%s', (name) => {
    it('logits at any positions give the losses', async () => {
      const model = await load(name);
      const { labels, ...batch } = toBatch(await new Fixture(name).json<FixtureBatch>('batch'));
      const shift = model.objective === 'next-token' ? 1 : 0;
      const document = (at: number) => batch.documentIds?.[at] ?? 0;
      // Where a label is predicted, and by which token.
      const positions = Array.from({ length: batch.batch }, (_, row) =>
        Array.from({ length: batch.time }, (_, t) => t).filter((t) => {
          const [from, to] = [row * batch.time + t, row * batch.time + t + shift];
          return t + shift < batch.time && labels[to] !== -100 && document(from) === document(to);
        }),
      );
      const logits = await model.logits(batch, { positions });
      const { perSample } = await model.loss({ ...batch, labels });
      let at = 0;
      positions.forEach((places, row) => {
        const losses = places.map((t) => {
          const z = Array.from<number>(logits[at++]);
          const largest = Math.max(...z);
          const sum = z.reduce((total, x) => total + Math.exp(x - largest), 0);
          return largest + Math.log(sum) - z[labels[row * batch.time + t + shift]];
        });
        const mean = losses.reduce((sum, x) => sum + x, 0) / (losses.length || 1);
        expect(Math.abs(mean - perSample[row])).toBeLessThan(1e-5);
      });
      expect(at).toBe(logits.length);
    });
  });

  it('padding, and what follows a position, change nothing', async () => {
    const model = await load('llama');
    const rows = [
      [5, 6, 7],
      [8, 9, 10, 11, 12],
    ].map((inputIds) => ({ inputIds }));
    const [, whole] = await model.logits(collate(rows));
    const [early, last] = await model.logits(collate([rows[1]]), { positions: [[2, 4]] });
    const [cut] = await model.logits(collate([{ inputIds: [8, 9, 10] }]));
    expect(relativeError(last, whole)).toBeLessThan(tolerance.value);
    expect(relativeError(early, cut)).toBeLessThan(tolerance.value);
    expect(await model.logits(collate(rows), { positions: [[], []] })).toEqual([]);
  });

  it('names what is wrong', async () => {
    const model = await load('llama');
    const batch = collate([{ inputIds: [1, 2] }, { inputIds: [1, 2, 3] }]);
    await expect(model.logits(batch, { positions: [[2], [0]] })).rejects.toThrow(
      'positions[0][0]: expected an integer in [0, 1], got 2',
    );
    await expect(model.logits(batch, { positions: [[0], [1, 1]] })).rejects.toThrow(
      'positions[1][1]: expected more than 1, the one before it, got 1',
    );
    await expect(model.logits(batch, { positions: [[0]] })).rejects.toThrow('positions: expected 2 values');
    await expect(logLikelihoods(model, [{ context: [], continuation: [1] }])).rejects.toThrow(
      'requests[0].context: expected at least one token',
    );
    const reason = new Error('enough');
    await expect(model.logits(batch, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
