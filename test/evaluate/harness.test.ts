import { beforeAll, describe, expect, it } from 'vitest';
import { IGNORED_LABEL } from '../../lib/data/batch.ts';
import { rowOf } from '../../lib/data/token-source.ts';
import { evaluateChoices } from '../../lib/evaluate/choice.ts';
import { evaluateUnderPrefixes, prefixTokens } from '../../lib/evaluate/harness.ts';
import { logLikelihoods } from '../../lib/evaluate/log-likelihood.ts';
import { PrefixedSamples } from '../../lib/evaluate/prefix.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { toyBackend, toyModel, toySamples } from '../train/toy.ts';

const tokenizer = {
  beginOfTextId: 12,
  encode: (text: string) => Int32Array.from(text, (character) => character.codePointAt(0)! % 12),
};
const samples = { ...toySamples, domain: (row: number) => (row % 2 ? 'odd' : 'even') };
const rows = [0, 1, 2, 3, 4];
const questions = [{ question: 'ab', choices: ['c', 'de'], answer: 1 }];

let model: LanguageModel;
beforeAll(async () => {
  model = await toyModel();
});

describe('PrefixedSamples', () => {
  it('puts tokens before a row, which get no loss', () => {
    const prefixed = new PrefixedSamples(samples, [7, 8]);
    expect(prefixed.row(1)).toEqual({
      inputIds: Int32Array.of(7, 8, 1, 2, 3, 4, 5),
      labels: Int32Array.of(IGNORED_LABEL, IGNORED_LABEL, 1, 2, 3, 4, 5),
    });
    expect(prefixed.domain(1)).toBe('odd');
    const own = new PrefixedSamples(samples, (row) => [row], 2);
    expect([...own.tokens(3)]).toEqual([3, 3, 4]);
  });

  it('takes the place of what a row begins with that has no label', () => {
    const conditioned = {
      tokens: () => Int32Array.of(12, 5, 6, 1, 2),
      row: () => ({ inputIds: [12, 5, 6, 1, 2], labels: [-100, -100, -100, 1, 2], documentIds: [0, 0, 0, 0, 0] }),
      domain: () => 'a',
    };
    expect([...new PrefixedSamples(conditioned, [12, 9]).tokens(0)]).toEqual([12, 9, 1, 2]);
    const packed = { ...conditioned, row: () => ({ ...conditioned.row(), documentIds: [0, 0, 0, 1, 1] }) };
    expect(() => new PrefixedSamples(packed, [12]).tokens(4)).toThrow('row 4: expected one document');
  });
});

describe('evaluateUnderPrefixes', () => {
  const prefixes = [null, 'xy', 'z'];

  it('gives perplexity and choices under each prefix, of the same tokens', async () => {
    const tasks = { perplexity: { samples, rows }, choices: { q: questions } };
    const done: number[] = [];
    const found = await evaluateUnderPrefixes(model, tokenizer, tasks, {
      prefixes,
      onProgress: (progress) => done.push(progress.done),
    });
    expect(found.map(({ prefix }) => prefix)).toEqual(prefixes);
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [i, { perplexity, choices }] of found.entries()) {
      const before = [12, ...(prefixes[i] === null ? [] : tokenizer.encode(prefixes[i]))];
      const requests = rows.map((row) => ({ context: before, continuation: samples.tokens(row) }));
      const likelihoods = await logLikelihoods(model, requests);
      const tokens = rows.reduce((sum, row) => sum + samples.tokens(row).length, 0);
      expect(perplexity!.overall.tokens).toBe(tokens);
      expect(perplexity!.overall.loss).toBeCloseTo(-likelihoods.reduce((a, b) => a + b) / tokens, 10);
      const alone = await evaluateChoices(model, tokenizer, questions, { prefix: before });
      expect(choices.q).toEqual(alone);
    }
    expect(found[1].perplexity!.overall.loss).not.toBe(found[0].perplexity!.overall.loss);
  });

  it('cuts rows to what the window has room for beside the longest prefix', async () => {
    const config = { ...model.config, max_position_embeddings: 6 };
    const narrow = await LanguageModel.initialize(config, { backend: toyBackend, seed: 1 });
    const found = await evaluateUnderPrefixes(narrow, tokenizer, { perplexity: { samples, rows } }, { prefixes });
    const tokens = rows.reduce((sum, row) => sum + Math.min(3, samples.tokens(row).length), 0);
    expect(found.map(({ perplexity }) => perplexity!.overall.tokens)).toEqual([tokens, tokens, tokens]);
    await expect(
      evaluateUnderPrefixes(narrow, tokenizer, { perplexity: { samples, rows } }, { prefixes: ['abcd'] }),
    ).rejects.toThrow('prefixes: expected shorter ones');
  });

  it('without a begin token the first token of a row has nothing to be predicted from', async () => {
    const [{ perplexity }] = await evaluateUnderPrefixes(
      model,
      tokenizer,
      { perplexity: { samples, rows } },
      { beginId: null },
    );
    const { perSample } = await model.loss({
      batch: 1,
      time: samples.tokens(2).length,
      inputIds: samples.tokens(2),
      labels: samples.tokens(2),
    });
    expect(perplexity!.overall.tokens).toBe(rows.reduce((sum, row) => sum + samples.tokens(row).length - 1, 0));
    const [alone] = await evaluateUnderPrefixes(
      model,
      tokenizer,
      { perplexity: { samples, rows: [2] } },
      { beginId: null },
    );
    expect(alone.perplexity!.overall.loss).toBeCloseTo(perSample[0], 10);
    expect(Array.from(rowOf(samples, 2).inputIds)).toEqual([...samples.tokens(2)]);
  });

  it('refuses nothing to do', async () => {
    await expect(evaluateUnderPrefixes(model, tokenizer, {})).rejects.toThrow('tasks: expected perplexity or choices');
    expect([...prefixTokens(tokenizer, 'a', null)]).toEqual([97 % 12]);
  });
});
