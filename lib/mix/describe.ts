import type { AnalyzedScale, MixtureAnalysis } from './analysis.ts';
import { amount } from './amount.ts';
import { DIAGNOSES, FALLBACKS, type ScalingLawFit } from './scaling-law.ts';

/** 28.6 % */
export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** The domains of largest weight: 26.5 % c4, 23.2 % common_crawl. */
export function largestWeights(domains: readonly string[], weights: readonly number[], count = 3): string {
  return domains
    .map((domain, d) => ({ domain, weight: weights[d] }))
    .sort((p, q) => q.weight - p.weight)
    .slice(0, count)
    .map(({ domain, weight }) => `${percent(weight)} ${domain}`)
    .join(', ');
}

/** One sentence on what was found, about the target where there is one, else the largest scale. */
export function mixtureHeadline({ domains, scales, prediction }: MixtureAnalysis): string {
  const most = (weights: number[]) =>
    `${largestWeights(domains, weights)}${domains.length > 3 ? ` and ${domains.length - 3} more` : ''}`;
  if (prediction) return `Predicted for ${amount(prediction.target)}: ${most(prediction.weights)}.`;
  const scale = scales.at(-1)!;
  const gain = predictedChange(scale);
  return `Best at ${amount(scale.total)}: ${most(scale.weights)}${gain === null ? '' : `; by the laws the metric changes by ${gain}`}.`;
}

/** −2.1 %: what the laws say of the metric against the base run. */
export function predictedChange({ predicted }: AnalyzedScale): string | null {
  if (predicted === null) return null;
  return `${predicted < 1 ? '−' : '+'}${percent(Math.abs(predicted - 1), 2)}`;
}

/** How far a prediction is from the best mixtures that were searched at held-out scales of its size. */
export function predictionErrors({ prediction, searched }: MixtureAnalysis): string[] {
  if (!prediction) return [];
  return searched
    .filter(({ total }) => Math.abs(total / prediction.target - 1) < 1e-3)
    .map(({ total, weights }) => {
      const moved = weights.reduce((sum, w, d) => sum + Math.abs(w - prediction.weights[d]), 0) / 2;
      return `${percent(moved)} of the weight lies in other domains than in the best mixture searched at ${amount(total)}`;
    });
}

/** How a law was found, or why not and what was done instead. */
export function howFitted({ method, diagnosis, fallback }: ScalingLawFit): string {
  if (diagnosis === null) return method === 'exact' ? 'exact' : 'least squares';
  return `${diagnosis}: ${DIAGNOSES[diagnosis]}; ${FALLBACKS[fallback!]}`;
}
