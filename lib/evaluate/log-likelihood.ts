import { checkList, invalid } from '../check.ts';
import { IGNORED_LABEL, type TokenRow } from '../data/batch.ts';
import type { TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { contextWindow } from '../model/context-window.ts';
import { rowLosses, type LossOptions } from './losses.ts';

/** Tokens whose probability is asked for, after tokens that are given. */
export interface Continuation {
  /** At least one token. */
  context: ArrayLike<number>;
  /** At least one token. */
  continuation: ArrayLike<number>;
}

/** Labels of `count` tokens that get no loss, followed by those that do. */
export function labelsAfter(count: number, tokens: ArrayLike<number>): Int32Array {
  const labels = new Int32Array(count + tokens.length).fill(IGNORED_LABEL);
  labels.set(Array.from(tokens), count);
  return labels;
}

/** The two one after the other. */
export function concatenated(a: ArrayLike<number>, b: ArrayLike<number>): Int32Array {
  const both = new Int32Array(a.length + b.length);
  both.set(Array.from(a));
  both.set(Array.from(b), a.length);
  return both;
}

/**
 * log p(continuation | context) = Σ_t log p(token t | all before it) of each, in nats [requests].
 * @throws GradfoldError INVALID_ARGUMENT naming a request without context or continuation, or one that is longer than the
 *   model's window; UNSUPPORTED for a model of masked tokens; rejects with `signal.reason` on abort
 */
export async function logLikelihoods(
  model: LanguageModel,
  requests: readonly Continuation[],
  options: LossOptions = {},
): Promise<Float64Array> {
  model.checkPredictsNext('logLikelihoods');
  const window = contextWindow(model.config);
  const rows = requests.map(({ context, continuation }, i): TokenRow & { inputIds: Int32Array } => {
    for (const [name, tokens] of Object.entries({ context, continuation })) {
      checkList(`requests[${i}].${name}`, tokens);
      if (tokens.length === 0) throw invalid(`requests[${i}].${name}`, 'at least one token', 'none');
    }
    const inputIds = concatenated(context, continuation);
    if (inputIds.length > window) {
      throw invalid(`requests[${i}]`, `at most ${window} tokens, the model’s window`, inputIds.length);
    }
    return { inputIds, labels: labelsAfter(context.length, continuation) };
  });
  const source: TokenSource = { tokens: (i) => rows[i].inputIds, row: (i) => rows[i] };
  const losses = await rowLosses(model, source, Uint32Array.from(rows.keys()), options);
  return losses.map((loss, i) => -loss * requests[i].continuation.length);
}
