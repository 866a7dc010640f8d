import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateChoices, type ChoiceOptions } from '../../lib/evaluate/choice.ts';
import { parseQuestion, readQuestions, type ChoiceQuestion } from '../../lib/evaluate/choice-questions.ts';
import { logLikelihoods } from '../../lib/evaluate/log-likelihood.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { toyBackend, toyModel } from '../train/toy.ts';

/** A token a character, of a vocabulary of 13. */
const tokenizer = { encode: (text: string) => Int32Array.from(text, (character) => character.codePointAt(0)! % 13) };
const ids = (text: string): number[] => [...tokenizer.encode(text)];

const QUESTIONS: ChoiceQuestion[] = [
  { question: 'a b', choices: ['c', 'dé', 'efg hi'], answer: 1 },
  { question: 'rst', choices: ['uv', 'w'], answer: 0 },
  { question: 'm n o', choices: ['pq', 'p', 'qrstu', 'o'], answer: 3 },
];

let model: LanguageModel;
let directory: string;
beforeAll(async () => {
  model = await toyModel();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-choice-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** log p of each choice after a context, one request at a time. */
async function scores(context: (question: ChoiceQuestion) => number[]): Promise<number[][]> {
  return Promise.all(
    QUESTIONS.map((question) =>
      Promise.all(
        question.choices.map(async (choice) => {
          const request = { context: context(question), continuation: ids(` ${choice}`) };
          return (await logLikelihoods(model, [request]))[0];
        }),
      ),
    ),
  );
}

async function evaluated(options: ChoiceOptions = {}): Promise<number[][]> {
  const { results } = await evaluateChoices(model, tokenizer, QUESTIONS, options);
  return results.map(({ logLikelihoods: values }) => values);
}

function expectClose(actual: number[][], expected: number[][]): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  actual.flat().forEach((x, i) => expect(x).toBeCloseTo(expected.flat()[i], 10));
}

describe('evaluateChoices', () => {
  it('scores the space and the choice after the question', async () => {
    expectClose(await evaluated(), await scores(({ question }) => ids(question)));
  });

  it('puts template and prefix before, without loss', async () => {
    const expected = await scores(({ question }) => [5, 6, ...ids(`Q: ${question}?`)]);
    expectClose(await evaluated({ template: 'Q: {question}?', prefix: [5, 6] }), expected);
    const own = await evaluated({ prefix: (i) => (i === 1 ? [7] : []) });
    expectClose(own, await scores((each) => [...(each === QUESTIONS[1] ? [7] : []), ...ids(each.question)]));
  });

  it('shows answered questions first, never the one that is asked', async () => {
    const examples = [{ question: 'x', choices: ['y', 'z'], answer: 1 }];
    const shown = await scores(({ question }) => ids(`x z\n\n${question}`));
    expectClose(await evaluated({ shots: 1, examples }), shown);
    const others = await scores((each) => {
      const [a, b] = QUESTIONS.filter((other) => other !== each).map((x) => `${x.question} ${x.choices[x.answer]}\n\n`);
      return ids(`${a}${b}${each.question}`);
    });
    const swapped = await scores((each) => {
      const [a, b] = QUESTIONS.filter((other) => other !== each).map((x) => `${x.question} ${x.choices[x.answer]}\n\n`);
      return ids(`${b}${a}${each.question}`);
    });
    (await evaluated({ shots: 2 })).forEach((row, i) => {
      const drawn = [others, swapped].filter((order) => Math.abs(order[i][0] - row[0]) < 1e-10);
      expect(drawn.length).toBeGreaterThan(0);
    });
    await expect(evaluated({ shots: 3 })).rejects.toThrow('shots: expected at most 2, the examples there are, got 3');
  });

  it('divides by nothing, tokens, characters and bytes', async () => {
    const { results, accuracy, standardError, chance } = await evaluateChoices(model, tokenizer, QUESTIONS);
    const best = (values: number[]) => values.indexOf(Math.max(...values));
    const divisors = {
      raw: () => 1,
      token: (choice: string) => choice.length + 1,
      character: (choice: string) => choice.length,
      byte: (choice: string) => choice.length + Number(choice.includes('é')),
    };
    for (const [name, divisor] of Object.entries(divisors) as [keyof typeof divisors, (x: string) => number][]) {
      const chosen = QUESTIONS.map(({ choices }, i) =>
        best(choices.map((choice, k) => results[i].logLikelihoods[k] / divisor(choice))),
      );
      expect(results.map((result) => result.chosen[name])).toEqual(chosen);
      const right = chosen.filter((choice, i) => choice === QUESTIONS[i].answer).length / 3;
      expect(accuracy[name]).toBe(right);
      expect(standardError[name]).toBeCloseTo(Math.sqrt((right * (1 - right)) / 3), 12);
    }
    expect(chance).toBeCloseTo((1 / 3 + 1 / 2 + 1 / 4) / 3, 12);
    expect(results[0].tokens).toEqual([2, 3, 7]);
  });

  it('gives the choice what its first token takes of the question', async () => {
    // A tokenizer that joins the space to the word before it.
    const joining = {
      encode: (text: string) => Int32Array.from(text.match(/[a-z]+ ?/g) ?? [], (piece) => (piece.length * 3) % 13),
    };
    const { results } = await evaluateChoices(model, joining, [{ question: 'ab cd', choices: ['ef', 'g'], answer: 0 }]);
    const expected = await logLikelihoods(model, [
      { context: [9], continuation: [9, 6] },
      { context: [9], continuation: [9, 3] },
    ]);
    expect(results[0].tokens).toEqual([2, 2]);
    results[0].logLikelihoods.forEach((x, i) => expect(x).toBeCloseTo(expected[i], 10));
  });

  it('a context that does not fit loses its beginning, never its prefix', async () => {
    const config = { ...model.config, max_position_embeddings: 8 };
    const narrow = await LanguageModel.initialize(config, { backend: toyBackend, seed: 1 });
    const asked = [{ question: 'abcdefghij', choices: ['k', 'lm'], answer: 0 }];
    const { results } = await evaluateChoices(narrow, tokenizer, asked, { prefix: [1, 2] });
    const expected = await logLikelihoods(model, [
      { context: [1, 2, ...ids('ghij')], continuation: ids(' k') },
      { context: [1, 2, ...ids('hij')], continuation: ids(' lm') },
    ]);
    results[0].logLikelihoods.forEach((x, i) => expect(x).toBeCloseTo(expected[i], 10));
    const long = [{ question: 'a', choices: ['k', 'lmnopqrstu'], answer: 0 }];
    await expect(evaluateChoices(narrow, tokenizer, long)).rejects.toThrow(
      'questions[0]: expected choices of at most 8',
    );
  });

  it('refuses what it cannot ask', async () => {
    await expect(evaluateChoices(model, tokenizer, [])).rejects.toThrow('questions: expected at least one question');
    await expect(evaluated({ template: 'Q:' })).rejects.toThrow('template: expected a text with {question}');
    const empty = [{ question: '', choices: ['a', 'b'], answer: 0 }];
    await expect(evaluateChoices(model, tokenizer, empty)).rejects.toThrow('a question or a prefix before the choice');
  });
});

describe('readQuestions', () => {
  it('reads an answer as index, letter or text', async () => {
    const choices = ['x', 'B', 'z'];
    const answers = [1, 'A', 'c', 'z', 'B', ' C '];
    const path = join(directory, 'questions.jsonl');
    const lines = answers.map((answer) => JSON.stringify({ question: 'q', choices, answer, more: 1 }));
    await writeFile(path, `${lines.join('\n\n')}\n`);
    const questions = await readQuestions(path);
    expect(questions.map(({ answer }) => answer)).toEqual([1, 0, 2, 2, 1, 2]);
    expect(questions[0]).toEqual({ question: 'q', choices, answer: 1 });
  });

  it.each([
    [{ choices: ['a', 'b'], answer: 0 }, 'question: expected a text, got undefined'],
    [{ question: 'q', choices: ['a'], answer: 0 }, 'choices: expected two texts or more'],
    [{ question: 'q', choices: ['a', 3], answer: 0 }, 'choices[1]: expected a text, got 3'],
    [
      { question: 'q', choices: ['a', 'b'], answer: 2 },
      'answer: expected an index in [0, 1], a letter A to B, or the text',
    ],
    [{ question: 'q', choices: ['a', 'b'], answer: 'C' }, 'answer: expected an index in [0, 1]'],
    [{ question: 'q', choices: ['a', 'b'], answer: '1' }, 'answer: expected an index in [0, 1]'],
    [{ question: 'q', choices: ['a', 'b'] }, 'answer: expected an index'],
  ])('%j is refused by name', (value, message) => {
    expect(() => parseQuestion('q.jsonl:3', value)).toThrow(`q.jsonl:3.${message}`);
  });

  it('names file and line of what is not a question', async () => {
    const path = join(directory, 'broken.jsonl');
    await writeFile(path, '{"question": "q", "choices": ["a", "b"], "answer": 0}\n{oops\n');
    await expect(readQuestions(path)).rejects.toThrow(`${path}:2: expected one JSON object`);
    await writeFile(path, '\n');
    await expect(readQuestions(path)).rejects.toThrow('expected at least one question');
    await expect(readQuestions(join(directory, 'none.jsonl'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
