import { invalid } from '../check.ts';
import { labelledTokens, predictedTokens } from '../data/batch.ts';
import { needsNextToken, rowOf, type TokenSource } from '../data/token-source.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { rowLosses, type LossOptions } from './losses.ts';

/** Prediction of next or masked tokens over a set of samples. */
export interface Perplexity {
  /** Mean cross-entropy per predicted token, in nats. */
  loss: number;
  /** exp(loss) */
  perplexity: number;
  /** Predicted tokens: a sample of n tokens predicts n − 1, or those that it has labels for. */
  tokens: number;
  samples: number;
}

export interface PerplexityReport {
  /** Every predicted token counts the same. */
  overall: Perplexity;
  /** By domain, in order of first appearance. */
  domains: Record<string, Perplexity>;
  /** Every domain counts the same: the mean of the domains' losses, and its exponential. */
  domainMean: { loss: number; perplexity: number };
}

export interface EvaluatedSamples extends TokenSource {
  domain(row: number): string;
}

export type PerplexityOptions = LossOptions;

/**
 * Token-weighted loss and perplexity of the samples `rows`, overall and by domain. Samples that predict nothing are left
 * out. The sums run in the order of `rows`, so the result does not depend on the batching.
 * @throws GradfoldError when no sample predicts anything, or for a model of masked tokens on samples without masks;
 *   rejects with `signal.reason` on abort.
 */
export async function evaluatePerplexity(
  model: Pick<LanguageModel, 'loss' | 'objective' | 'checkPredictsNext'>,
  samples: EvaluatedSamples,
  rows: ArrayLike<number>,
  options: PerplexityOptions = {},
): Promise<PerplexityReport> {
  if (needsNextToken(samples)) model.checkPredictsNext('evaluatePerplexity');
  const count = model.objective === 'masked-token' ? labelledTokens : predictedTokens;
  const predicted = Array.from(rows, (row) => ({ row, tokens: count(rowOf(samples, row)) }));
  const predicting = predicted.filter(({ tokens }) => tokens > 0);
  if (predicting.length === 0) throw invalid('rows', 'at least one sample that predicts a token', rows);
  const kept = predicting.map(({ row }) => row);
  const losses = await rowLosses(model, samples, kept, options);

  const overall = new Tally();
  const domains = new Map<string, Tally>();
  predicting.forEach(({ row, tokens }, i) => {
    const domain = samples.domain(row);
    if (!domains.has(domain)) domains.set(domain, new Tally());
    for (const tally of [overall, domains.get(domain)!]) tally.add(losses[i], tokens);
  });
  const byDomain = [...domains].map(([domain, tally]) => [domain, tally.perplexity()] as const);
  const loss = byDomain.reduce((sum, [, { loss }]) => sum + loss, 0) / byDomain.length;
  return {
    overall: overall.perplexity(),
    domains: Object.fromEntries(byDomain),
    domainMean: { loss, perplexity: Math.exp(loss) },
  };
}

/** A running token-weighted mean of sample losses. */
class Tally {
  #total = 0;
  #tokens = 0;
  #samples = 0;

  add(loss: number, tokens: number): void {
    this.#total += loss * tokens;
    this.#tokens += tokens;
    this.#samples++;
  }

  perplexity(): Perplexity {
    const loss = this.#total / this.#tokens;
    return { loss, perplexity: Math.exp(loss), tokens: this.#tokens, samples: this.#samples };
  }
}
