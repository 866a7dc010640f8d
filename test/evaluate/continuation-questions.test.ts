import { describe, expect, it } from 'vitest';
import { continuationQuestions, type QuestionDocument } from '../../lib/evaluate/continuation-questions.ts';

/** Documents of words that name their document and place, so that every span tells where it is from. */
const documents: QuestionDocument[] = Array.from({ length: 30 }, (_, d) => ({
  id: `d${d}`,
  text: Array.from({ length: 20 + d }, (_, w) => `d${d}w${w}`).join(w(d)),
  group: d < 20 ? 'many' : `few${d % 5}`,
}));
function w(d: number): string {
  return d % 2 ? ' ' : '\n  ';
}

const SETTINGS = { count: 12, passageWords: 10, continuationWords: 4, seed: 3 };
const parse = (word: string): number[] => /^d(\d+)w(\d+)$/.exec(word)!.slice(1).map(Number);
const isSpan = (words: string[]): boolean =>
  words.every((word, i) => parse(word)[0] === parse(words[0])[0] && parse(word)[1] === parse(words[0])[1] + i);

describe('continuationQuestions', () => {
  const questions = continuationQuestions(documents, SETTINGS);

  it('asks for what follows a passage, beside spans of other documents', () => {
    expect(questions).toHaveLength(12);
    for (const { question, choices, answer, document } of questions) {
      const passage = question.split(' ');
      expect(passage).toHaveLength(10);
      const right = choices[answer].split(' ');
      expect(isSpan([...passage, ...right])).toBe(true);
      expect(`d${parse(passage[0])[0]}`).toBe(document);
      expect(choices).toHaveLength(4);
      const from = choices.map((choice) => parse(choice.split(' ')[0])[0]);
      expect(new Set(from).size).toBe(4);
      for (const choice of choices) {
        expect(choice.split(' ')).toHaveLength(4);
        expect(isSpan(choice.split(' '))).toBe(true);
      }
    }
    expect(new Set(questions.map(({ document }) => document)).size).toBe(12);
  });

  it('takes wrong choices of the same group where there are enough', () => {
    for (const { choices, group } of questions.filter((each) => each.group === 'many')) {
      for (const choice of choices) expect(parse(choice.split(' ')[0])[0]).toBeLessThan(20);
      expect(group).toBe('many');
    }
    expect(questions.some(({ group }) => group !== 'many')).toBe(true);
  });

  it('puts the right choice anywhere', () => {
    const all = continuationQuestions(documents, { ...SETTINGS, count: 30 });
    expect(new Set(all.map(({ answer }) => answer))).toEqual(new Set([0, 1, 2, 3]));
  });

  it('depends on the seed alone, and a question on its document', () => {
    expect(continuationQuestions(documents, SETTINGS)).toEqual(questions);
    expect(continuationQuestions(documents, { ...SETTINGS, seed: 4 })).not.toEqual(questions);
    const more = continuationQuestions(documents, { ...SETTINGS, count: 20 });
    expect(more.slice(0, 12)).toEqual(questions);
  });

  it('says when documents are too few or too short', () => {
    expect(() => continuationQuestions(documents, { ...SETTINGS, passageWords: 44 })).toThrow(
      'documents: expected at least 4 of 48 words or more, got 2',
    );
    const same = Array.from({ length: 5 }, (_, i) => ({ id: `${i}`, text: 'a '.repeat(30) }));
    expect(() => continuationQuestions(same, SETTINGS)).toThrow('distractors of');
  });
});
