import { checkArray, checkOptions, invalid, type OptionNames } from '../check.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { contextWindow } from '../model/context-window.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { evaluateChoices, type ChoiceOptions, type ChoiceReport } from './choice.ts';
import type { ChoiceQuestion } from './choice-questions.ts';
import { concatenated } from './log-likelihood.ts';
import { evaluatePerplexity, type EvaluatedSamples, type PerplexityReport } from './perplexity.ts';
import { PrefixedSamples } from './prefix.ts';

/** What a model is judged by. */
export interface EvaluationTasks {
  /** Loss and perplexity of rows, by domain. */
  perplexity?: { samples: EvaluatedSamples; rows: ArrayLike<number> };
  /** Multiple choice, by name. */
  choices?: Record<string, readonly ChoiceQuestion[]>;
}

export interface PrefixOptions extends Omit<ChoiceOptions, 'prefix' | 'onProgress'> {
  /** Texts put before everything, such as "URL: en.wikipedia.org\n\n"; null: none. Default: none alone. */
  prefixes?: readonly (string | null)[];
  /** The token that everything begins with, the prefix included; default: the tokenizer's, null: none. */
  beginId?: number | null;
  /** Counted in prefixes × tasks. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

const OPTIONS: OptionNames<PrefixOptions> = {
  prefixes: true,
  beginId: true,
  template: true,
  shots: true,
  examples: true,
  seed: true,
  batchSize: true,
  signal: true,
  onProgress: true,
};

/** The results under one prefix. */
export interface PrefixEvaluation {
  prefix: string | null;
  perplexity?: PerplexityReport;
  choices: Record<string, ChoiceReport>;
}

/** The tokens that a text begins with: the begin token, then the prefix, encoded on its own as training does. */
export function prefixTokens(
  tokenizer: Pick<Tokenizer, 'encode'>,
  prefix: string | null,
  beginId: number | null,
): Int32Array {
  return concatenated(beginId === null ? [] : [beginId], prefix === null ? [] : tokenizer.encode(prefix));
}

/**
 * Every task under every prefix. Prefixes get no loss, and under all of them the same tokens are predicted: rows are cut so that they fit
 * into the model's window beside the longest prefix.
 * @throws GradfoldError INVALID_ARGUMENT for no task, or a prefix that leaves no room for a row; otherwise as
 *   evaluatePerplexity and evaluateChoices
 */
export async function evaluateUnderPrefixes(
  model: LanguageModel,
  tokenizer: Pick<Tokenizer, 'encode' | 'beginOfTextId'>,
  tasks: EvaluationTasks,
  options: PrefixOptions = {},
): Promise<PrefixEvaluation[]> {
  checkOptions('options', options, OPTIONS);
  const { prefixes = [null], beginId = tokenizer.beginOfTextId, onProgress, ...rest } = options;
  const { batchSize, signal } = rest;
  checkArray('prefixes', prefixes);
  const { perplexity, choices = {} } = tasks;
  const total = prefixes.length * (Number(perplexity !== undefined) + Object.keys(choices).length);
  if (total === 0) throw invalid('tasks', 'perplexity or choices, and a prefix or null', 'none');
  const begun = prefixes.map((prefix) => prefixTokens(tokenizer, prefix, beginId));
  const longest = Math.max(...begun.map(({ length }) => length));
  const room = contextWindow(model.config) - longest;
  if (room < 2)
    throw invalid('prefixes', 'shorter ones: rows must fit into the model’s window too', `${longest} tokens`);
  let done = 0;
  const finished = <T>(result: T): T => {
    onProgress?.({ done: ++done, total });
    return result;
  };
  const evaluations: PrefixEvaluation[] = [];
  for (const [i, prefix] of prefixes.entries()) {
    const evaluation: PrefixEvaluation = { prefix, choices: {} };
    if (perplexity) {
      const samples = new PrefixedSamples(perplexity.samples, begun[i], room);
      evaluation.perplexity = finished(
        await evaluatePerplexity(model, samples, perplexity.rows, { batchSize, signal }),
      );
    }
    for (const [name, questions] of Object.entries(choices)) {
      evaluation.choices[name] = finished(
        await evaluateChoices(model, tokenizer, questions, { ...rest, prefix: begun[i] }),
      );
    }
    evaluations.push(evaluation);
  }
  return evaluations;
}
