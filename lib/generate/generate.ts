import { checkInteger, checkList, checkOptions, invalid, type OptionNames } from '../check.ts';
import { collate } from '../data/batch.ts';
import { contextWindow } from '../model/context-window.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { randomUniform, streamOf } from '../random.ts';
import { candidates, drawToken, resolveSampling, type SamplingOptions } from './sampling.ts';

export interface GenerateOptions extends SamplingOptions {
  /** Tokens generated at most; default 64. */
  maxTokens?: number;
  /** Generated after every prompt; default 1. */
  samples?: number;
  /** The token that ends a text; it is not part of the result. Default: nothing ends it early. */
  endId?: number | null;
  /** Default 0. */
  seed?: number;
  /** Texts that the model continues at a time; default 16. The result does not depend on it. */
  batchSize?: number;
  signal?: AbortSignal;
  /** Counted in tokens of all texts; total is the most that there can be. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

const OPTIONS: OptionNames<GenerateOptions> = {
  temperature: true,
  topK: true,
  topP: true,
  maxTokens: true,
  samples: true,
  endId: true,
  seed: true,
  batchSize: true,
  signal: true,
  onProgress: true,
};

/** What a model made of a prompt. */
export interface GeneratedText {
  /** Index of its prompt. */
  prompt: number;
  /** Which of the prompt's samples. */
  sample: number;
  /** The generated tokens, without the prompt. */
  tokens: Int32Array;
  /** What ended it: the end token, or the number of tokens. */
  ended: 'end' | 'length';
}

/** A text under way. */
interface Draft {
  prompt: number;
  sample: number;
  context: number[];
  /** Tokens of the prompt. */
  start: number;
  stream: number;
  ended: GeneratedText['ended'] | undefined;
}

const DEFAULT_TOKENS = 64;
const DEFAULT_BATCH = 16;

/**
 * Continues prompts token by token. The token after n generated ones is drawn with number n of a random stream that
 * belongs to the prompt's index and the sample's, so a text depends neither on the batching nor on the other texts. The whole context is
 * computed anew for every token: there is no cache of keys and values. Of a context longer than the model's window its
 * last tokens are seen, at positions from 0.
 * @param prompts token ids, at least one each
 * @returns texts by prompt, then by sample
 * @throws GradfoldError INVALID_ARGUMENT naming a prompt without tokens or a wrong option; UNSUPPORTED for a model of
 *   masked tokens; rejects with `signal.reason` on abort
 */
export async function generate(
  model: LanguageModel,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions = {},
): Promise<GeneratedText[]> {
  checkOptions('options', options, OPTIONS);
  model.checkPredictsNext('generate');
  const sampling = resolveSampling(options);
  const seed = checkInteger('seed', options.seed ?? 0, 0);
  const maxTokens = checkInteger('maxTokens', options.maxTokens ?? DEFAULT_TOKENS, 1);
  const batchSize = checkInteger('batchSize', options.batchSize ?? DEFAULT_BATCH, 1);
  const window = contextWindow(model.config);
  const drafts = draftsOf(prompts, checkInteger('samples', options.samples ?? 1, 1));
  const total = drafts.length * maxTokens;
  let done = 0;
  for (let start = 0; start < drafts.length; start += batchSize) {
    let active = drafts.slice(start, start + batchSize);
    while (active.length > 0) {
      options.signal?.throwIfAborted();
      const rows = active.map(({ context }) => ({ inputIds: context.slice(-window) }));
      const logits = await model.logits(collate(rows), { signal: options.signal });
      active.forEach((draft, i) => {
        const made = draft.context.length - draft.start;
        const id = drawToken(candidates(logits[i], sampling), randomUniform(seed, draft.stream, made));
        if (id === options.endId) draft.ended = 'end';
        else draft.context.push(id);
        if (made + 1 === maxTokens) draft.ended ??= 'length';
      });
      done += active.length;
      options.onProgress?.({ done, total });
      active = active.filter(({ ended }) => ended === undefined);
    }
  }
  return drafts.map(({ prompt, sample, context, start, ended }) => ({
    prompt,
    sample,
    tokens: Int32Array.from(context.slice(start)),
    ended: ended!,
  }));
}

function draftsOf(prompts: readonly ArrayLike<number>[], samples: number): Draft[] {
  if (!Array.isArray(prompts) || prompts.length === 0) throw invalid('prompts', 'an array of token lists', prompts);
  return prompts.flatMap((prompt: ArrayLike<number>, p) => {
    checkList(`prompts[${p}]`, prompt);
    if (prompt.length === 0) {
      throw invalid(`prompts[${p}]`, 'at least one token', 'none', { fix: 'begin with the end-of-text token' });
    }
    return Array.from({ length: samples }, (_, sample) => ({
      prompt: p,
      sample,
      context: Array.from(prompt),
      start: prompt.length,
      stream: streamOf(`generate/${p}/${sample}`),
      ended: undefined,
    }));
  });
}
