import { checkInteger, invalid } from '../check.ts';
import { randomPermutation, randomUniform, streamOf } from '../random.ts';
import type { ChoiceQuestion } from './choice-questions.ts';

/** A held-out document that questions are made of. */
export interface QuestionDocument {
  id: string;
  text: string;
  /** Distractors come from documents of the same group, where there are enough. */
  group?: string;
}

export interface ContinuationQuestionOptions {
  /** Questions wanted; fewer come of fewer documents. */
  count: number;
  /** Choices of each; default 4. */
  choices?: number;
  /** Words of the passage; default 40. */
  passageWords?: number;
  /** Words of each choice; default 10. */
  continuationWords?: number;
  /** Default 0. */
  seed?: number;
}

/** A question with where it comes from. */
export interface ContinuationQuestion extends ChoiceQuestion {
  /** The document that the passage and the right choice are of. */
  document: string;
  group: string | null;
}

/**
 * Questions "which continuation follows this passage?" made of documents that were held out: a run of words from a place
 * drawn by the seed, what follows it in the document, and runs of as many words from drawn places of other documents.
 * White space becomes single spaces, and words of more than 32 characters are left out. It measures how well a model tells what belongs to a text, from its topic, style
 * and the last words, and nothing like knowledge or reasoning; scores are comparable between models on the same
 * questions alone.
 * @returns one question a document at most, in an order drawn by the seed
 * @throws GradfoldError INVALID_DATA for fewer documents of enough words than a question has choices
 */
export function continuationQuestions(
  documents: readonly QuestionDocument[],
  options: ContinuationQuestionOptions,
): ContinuationQuestion[] {
  const count = checkInteger('count', options.count, 1);
  const choices = checkInteger('choices', options.choices ?? 4, 2);
  const passageWords = checkInteger('passageWords', options.passageWords ?? 40, 1);
  const continuationWords = checkInteger('continuationWords', options.continuationWords ?? 10, 1);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const whole = passageWords + continuationWords;
  const usable = documents
    .map(({ text, ...rest }) => ({ ...rest, words: wordsOf(text) }))
    .filter(({ words }) => words.length >= whole);
  if (usable.length < choices) {
    throw invalid('documents', `at least ${choices} of ${whole} words or more`, usable.length, {
      code: 'INVALID_DATA',
      fix: 'take shorter passages, or more documents',
    });
  }
  const groups = new Map<string | undefined, typeof usable>();
  for (const document of usable) {
    const group = groups.get(document.group);
    if (group) group.push(document);
    else groups.set(document.group, [document]);
  }
  const order = randomPermutation(usable.length, seed, streamOf('questions')).subarray(0, count);
  return Array.from(order, (place): ContinuationQuestion => {
    const { id, group, words } = usable[place];
    const stream = streamOf(`question/${id}`);
    let drawn = 0;
    const draw = (below: number): number => Math.floor(randomUniform(seed, stream, drawn++) * below);
    const start = draw(words.length - whole + 1);
    const passage = words.slice(start, start + passageWords).join(' ');
    const right = words.slice(start + passageWords, start + whole).join(' ');
    const own = groups.get(group)!;
    const others = (own.length >= choices ? own : usable).filter((other) => other.id !== id);
    const wrong = new Set<string>();
    // Passed over in turn from a drawn place on: each document gives one distractor at most.
    const from = draw(others.length);
    for (let i = 0; i < others.length && wrong.size < choices - 1; i++) {
      const other = others[(from + i * stride(others.length)) % others.length].words;
      const at = passageWords + draw(other.length - whole + 1);
      const text = other.slice(at, at + continuationWords).join(' ');
      if (text !== right) wrong.add(text);
    }
    if (wrong.size < choices - 1) {
      throw invalid(`distractors of ${id}`, `${choices - 1} different ones`, wrong.size, { code: 'INVALID_DATA' });
    }
    const answer = draw(choices);
    return {
      question: passage,
      choices: [...wrong].toSpliced(answer, 0, right),
      answer,
      document: id,
      group: group ?? null,
    };
  });
}

/** Longer ones are addresses and encoded files rather than words: one would be most of a choice. */
const LONGEST_WORD = 32;

const wordsOf = (text: string): string[] =>
  text.split(/\s+/).filter((word) => word.length > 0 && word.length <= LONGEST_WORD);

/** Steps through n places that visit all of them: neighbours in a corpus resemble each other. */
function stride(n: number): number {
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  let step = Math.max(1, Math.round(n * 0.618));
  while (common(step, n) !== 1) step++;
  return step;
}
