import { checkInteger, invalid } from '../check.ts';
import { collate } from '../data/batch.ts';
import type { LanguageModel } from '../model/language-model.ts';

/** Next-token prediction over a set of samples. */
export interface Perplexity {
  /** Mean cross-entropy per predicted token, in nats. */
  loss: number;
  /** exp(loss) */
  perplexity: number;
  /** Predicted tokens: a sample of n tokens predicts n − 1. */
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

export interface EvaluatedSamples {
  tokens(row: number): ArrayLike<number>;
  domain(row: number): string;
}

export interface PerplexityOptions {
  /** Default 32. */
  batchSize?: number;
  signal?: AbortSignal;
  /** Counted in samples. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/**
 * Token-weighted loss and perplexity of the samples `rows`, overall and by domain. Samples of fewer than two tokens
 * predict nothing and are left out. Batches are formed by length, so that little is spent on padding; the sums run in
 * the order of `rows`, so the result does not depend on the batching.
 * @throws GradfoldError when no sample predicts anything, or for a model of masked tokens; rejects with `signal.reason` on abort.
 */
export async function evaluatePerplexity(
  model: Pick<LanguageModel, 'loss' | 'checkPredictsNext'>,
  samples: EvaluatedSamples,
  rows: ArrayLike<number>,
  options: PerplexityOptions = {},
): Promise<PerplexityReport> {
  const { signal, onProgress } = options;
  model.checkPredictsNext('evaluatePerplexity');
  const batchSize = checkInteger('batchSize', options.batchSize ?? 32, 1);
  const kept = Array.from(rows).filter((row) => samples.tokens(row).length >= 2);
  if (kept.length === 0) throw invalid('rows', 'at least one sample of two tokens or more', rows);
  const lengths = kept.map((row) => samples.tokens(row).length);
  const byLength = kept.map((_, i) => i).sort((a, b) => lengths[a] - lengths[b]);

  const losses = new Float64Array(kept.length);
  for (let start = 0; start < byLength.length; start += batchSize) {
    signal?.throwIfAborted();
    const members = byLength.slice(start, start + batchSize);
    const batch = collate(members.map((i) => ({ inputIds: samples.tokens(kept[i]) })));
    const { perSample } = await model.loss(batch, { signal });
    members.forEach((i, slot) => (losses[i] = perSample[slot]));
    onProgress?.({ done: start + members.length, total: kept.length });
  }

  const overall = new Tally();
  const domains = new Map<string, Tally>();
  kept.forEach((row, i) => {
    const domain = samples.domain(row);
    if (!domains.has(domain)) domains.set(domain, new Tally());
    for (const tally of [overall, domains.get(domain)!]) tally.add(losses[i], lengths[i] - 1);
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
