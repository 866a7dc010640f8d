import { checkInteger, checkOptions, invalid, type OptionNames } from '../check.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { contextWindow } from '../model/context-window.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { checkQuestions, type ChoiceQuestion } from './choice-questions.ts';
import { concatenated, logLikelihoods, type Continuation } from './log-likelihood.ts';
import { LOSS_OPTIONS, type LossOptions } from './losses.ts';

/** What a choice's log-likelihood is divided by before the largest one is taken as the model's answer. */
export const NORMALIZATIONS = {
  /** Nothing: lm-evaluation-harness' acc. */
  raw: () => 1,
  /** The tokens that were scored. */
  token: ({ tokens }) => tokens,
  /** The choice's characters (code points), as lm-evaluation-harness' acc_norm. */
  character: ({ text }) => [...text].length,
  /** The choice's bytes in UTF-8. */
  byte: ({ text }) => Buffer.byteLength(text),
} satisfies Record<string, (choice: ScoredText) => number>;

export type Normalization = keyof typeof NORMALIZATIONS;
export const NORMALIZATION_NAMES = Object.keys(NORMALIZATIONS) as Normalization[];

interface ScoredText {
  text: string;
  /** Tokens of the text and the space before it. */
  tokens: number;
}

export interface ChoiceOptions extends LossOptions {
  /** How a question is put; {question} stands for its text. Default: the question as it is. */
  template?: string;
  /** Answered questions before each; default 0. */
  shots?: number;
  /** Where the shots come from; default: the other questions. Drawn for each question by the seed. */
  examples?: readonly ChoiceQuestion[];
  /** Default 0. */
  seed?: number;
  /** Tokens before everything else, as the metadata of MeCo, of all questions or by a question's index; they get no loss. */
  prefix?: ArrayLike<number> | ((question: number) => ArrayLike<number>);
}

const OPTIONS: OptionNames<ChoiceOptions> = {
  ...LOSS_OPTIONS,
  template: true,
  shots: true,
  examples: true,
  seed: true,
  prefix: true,
};

/** One question's outcome. */
export interface ChoiceResult {
  /** log p(choice | question) in nats, by choice. */
  logLikelihoods: number[];
  /** Tokens scored, by choice. */
  tokens: number[];
  answer: number;
  /** What the model chose. */
  chosen: Record<Normalization, number>;
}

export interface ChoiceReport {
  questions: number;
  /** Share of right answers. */
  accuracy: Record<Normalization, number>;
  /** Of an accuracy, as that of a proportion: √(a (1 − a) / n). */
  standardError: Record<Normalization, number>;
  /** Expected share for one who chooses without looking. */
  chance: number;
  results: ChoiceResult[];
}

/** Between a question and its choice, as in lm-evaluation-harness. */
const DELIMITER = ' ';
const BETWEEN_SHOTS = '\n\n';
const PLACEHOLDER = '{question}';

/**
 * Multiple choice by likelihood: each choice is scored by log p(choice | question), nothing is generated (Brown et al.
 * 2020; as lm-evaluation-harness does). The model's answer is the choice of the largest score, the first one of equal
 * scores.
 *
 * The context is the prefix, then the shots and the question; the choice follows after a space. What a choice adds to the
 * tokens of its context is scored: both are encoded together, and the tokens from the first that differs on are the
 * choice's. A context longer than the model's window loses its beginning, never its prefix.
 * @throws GradfoldError INVALID_ARGUMENT for no questions, a template without {question}, more shots than examples, or a
 *   choice that does not fit into the window; UNSUPPORTED for a model of masked tokens; rejects with `signal.reason` on
 *   abort
 */
export async function evaluateChoices(
  model: LanguageModel,
  tokenizer: Pick<Tokenizer, 'encode'>,
  questions: readonly ChoiceQuestion[],
  options: ChoiceOptions = {},
): Promise<ChoiceReport> {
  checkOptions('options', options, OPTIONS);
  checkQuestions(questions);
  const { prefix = [], template = PLACEHOLDER, batchSize, signal, onProgress } = options;
  const prefixOf = typeof prefix === 'function' ? prefix : () => prefix;
  if (!template.includes(PLACEHOLDER)) throw invalid('template', `a text with ${PLACEHOLDER}`, template);
  const window = contextWindow(model.config);
  const requests = questions.flatMap((question, i) => {
    const text = [...shotsOf(questions, i, options).map(answered), put(question)].join(BETWEEN_SHOTS);
    const context = tokenizer.encode(text);
    return question.choices.map((choice) => {
      const request = splitAfter(context, tokenizer.encode(`${text}${DELIMITER}${choice}`));
      return fitted(request, prefixOf(i), window, `questions[${i}]`);
    });
  });
  const values = await logLikelihoods(model, requests, { batchSize, signal, onProgress });
  let at = 0;
  const results = questions.map(({ choices, answer }): ChoiceResult => {
    const scores = Array.from(values.subarray(at, at + choices.length));
    const tokens = requests.slice(at, at + choices.length).map(({ continuation }) => continuation.length);
    at += choices.length;
    const scored = choices.map((text, i): ScoredText => ({ text, tokens: tokens[i] }));
    const chosen = byNormalization((name) => largest(scores.map((x, i) => x / NORMALIZATIONS[name](scored[i]))));
    return { logLikelihoods: scores, tokens, answer, chosen };
  });
  const accuracy = byNormalization(
    (name) => results.filter(({ chosen, answer }) => chosen[name] === answer).length / results.length,
  );
  return {
    questions: results.length,
    accuracy,
    standardError: byNormalization((name) => Math.sqrt((accuracy[name] * (1 - accuracy[name])) / results.length)),
    chance: questions.reduce((sum, { choices }) => sum + 1 / choices.length, 0) / questions.length,
    results,
  };

  function put({ question }: ChoiceQuestion): string {
    return template.replaceAll(PLACEHOLDER, () => question);
  }
  function answered(example: ChoiceQuestion): string {
    return `${put(example)}${DELIMITER}${example.choices[example.answer]}`;
  }
}

/** The examples shown before question i, never itself. */
function shotsOf(questions: readonly ChoiceQuestion[], i: number, options: ChoiceOptions): ChoiceQuestion[] {
  const shots = checkInteger('shots', options.shots ?? 0, 0);
  if (shots === 0) return [];
  const examples = options.examples ?? questions.filter((_, other) => other !== i);
  if (examples.length < shots) throw invalid('shots', `at most ${examples.length}, the examples there are`, shots);
  const order = randomPermutation(examples.length, options.seed ?? 0, streamOf(`shots/${i}`));
  return Array.from(order.subarray(0, shots), (place) => examples[place]);
}

/** What the whole has beyond the tokens that it begins with as its context does. */
function splitAfter(context: Int32Array, whole: Int32Array): Continuation {
  let common = 0;
  while (common < context.length && common < whole.length - 1 && context[common] === whole[common]) common++;
  return { context: whole.subarray(0, common), continuation: whole.subarray(common) };
}

/** The prefix before the context, of which so much is left as the window has room for. */
function fitted(
  { context, continuation }: Continuation,
  prefix: ArrayLike<number>,
  window: number,
  name: string,
): Continuation {
  const room = window - prefix.length - continuation.length;
  if (room < 0) {
    throw invalid(name, `choices of at most ${window - prefix.length} tokens, the model’s window`, continuation.length);
  }
  const kept = Array.from(context).slice(Math.max(0, context.length - room));
  if (prefix.length + kept.length === 0) {
    throw invalid(name, 'a question or a prefix before the choice', 'none', {
      fix: 'begin with the end-of-text token as prefix',
    });
  }
  return { context: concatenated(prefix, kept), continuation };
}

function largest(scores: readonly number[]): number {
  return scores.reduce((best, score, i) => (score > scores[best] ? i : best), 0);
}

function byNormalization<T>(of: (name: Normalization) => T): Record<Normalization, T> {
  return Object.fromEntries(NORMALIZATION_NAMES.map((name) => [name, of(name)])) as Record<Normalization, T>;
}
