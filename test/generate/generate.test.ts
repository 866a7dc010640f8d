import { describe, expect, it } from 'vitest';
import { generate } from '../../lib/generate/generate.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { Fixture, toBatch, type FixtureBatch } from '../support/fixtures.ts';
import { toyBackend, toyModel } from '../train/toy.ts';

describe('generate', () => {
  it('greedily takes the token of least loss, one after the other', async () => {
    const model = await toyModel();
    const prompt = [3, 4, 5];
    const [{ tokens, ended }] = await generate(model, [prompt], { temperature: 0, maxTokens: 4 });
    const context = [...prompt];
    for (const token of tokens) {
      const losses = await Promise.all(
        Array.from({ length: 13 }, async (_, next) => {
          const inputIds = Int32Array.from([...context, next]);
          const labels = new Int32Array(inputIds.length).fill(-100);
          labels[context.length] = next;
          return (await model.loss({ batch: 1, time: inputIds.length, inputIds, labels })).mean;
        }),
      );
      expect(losses.indexOf(Math.min(...losses))).toBe(token);
      context.push(token);
    }
    expect(tokens).toHaveLength(4);
    expect(ended).toBe('length');
  });

  it('is the same whatever the batching, and another one for another seed, prompt or sample', async () => {
    const model = await toyModel();
    const prompts = [[1], [2, 3], [4, 5, 6], [1]];
    const one = await generate(model, prompts, { maxTokens: 6, samples: 3, seed: 1, batchSize: 1 });
    const all = await generate(model, prompts, { maxTokens: 6, samples: 3, seed: 1, batchSize: 12 });
    expect(all).toEqual(one);
    expect(all.map(({ prompt, sample }) => [prompt, sample])).toEqual(
      [0, 1, 2, 3].flatMap((prompt) => [0, 1, 2].map((sample) => [prompt, sample])),
    );
    const other = await generate(model, prompts, { maxTokens: 6, samples: 3, seed: 2 });
    expect(other).not.toEqual(one);
    expect(one[0].tokens).not.toEqual(one[1].tokens);
    expect(one[0].tokens).not.toEqual(one[9].tokens); // the same prompt at another place
  });

  it('ends at the end token, which is not part of the text', async () => {
    const model = await toyModel();
    const [{ tokens }] = await generate(model, [[1, 2]], { maxTokens: 8, seed: 4 });
    const endId = tokens[3];
    const first = tokens.indexOf(endId);
    const [ended] = await generate(model, [[1, 2]], { maxTokens: 8, seed: 4, endId });
    expect(ended).toEqual({ prompt: 0, sample: 0, tokens: tokens.subarray(0, first), ended: 'end' });
  });

  it('sees the last tokens of a context that is longer than the window', async () => {
    const fixture = new Fixture('gpt2');
    const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend: toyBackend });
    const window = model.config.n_positions as number;
    const { inputIds } = toBatch(await fixture.json<FixtureBatch>('batch'));
    const long = Array.from({ length: window + 5 }, (_, i) => inputIds[i % 16]);
    const [whole] = await generate(model, [long], { temperature: 0, maxTokens: 1 });
    const [cut] = await generate(model, [long.slice(5)], { temperature: 0, maxTokens: 1 });
    expect(whole.tokens).toEqual(cut.tokens);
  });

  it('refuses what it cannot continue, and stops on abort', async () => {
    const model = await toyModel();
    await expect(generate(model, [[1], []])).rejects.toThrow('prompts[1]: expected at least one token');
    await expect(generate(model, [])).rejects.toThrow('prompts: expected an array of token lists');
    const encoder = await LanguageModel.fromPretrained(new Fixture('encoder').modelDirectory, { backend: toyBackend });
    await expect(generate(encoder, [[1]])).rejects.toThrow('expected a model that predicts the next token');
    const reason = new Error('enough');
    await expect(generate(model, [[1]], { maxTokens: 500, signal: AbortSignal.timeout(1), seed: 0 })).rejects.toThrow(
      /abort|timeout/i,
    );
    await expect(generate(model, [[1]], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
