import { checkFinite, checkInteger } from '../check.ts';
import type { FloatArray } from '../backend/types.ts';

/** How the next token is chosen from its logits. */
export interface SamplingOptions {
  /** Divides the logits; 0: always the most probable token (greedy). Default 1. */
  temperature?: number;
  /** Only the k most probable tokens may be drawn (Fan et al. 2018); default: all. */
  topK?: number;
  /** Only the most probable tokens that together reach this probability may be drawn (Holtzman et al. 2020); default 1: all. */
  topP?: number;
}

/** Checks the options and fills in their defaults. */
export function resolveSampling(options: SamplingOptions): Required<SamplingOptions> {
  return {
    temperature: checkFinite('temperature', options.temperature ?? 1, { min: 0 }),
    topK: options.topK === undefined ? Infinity : checkInteger('topK', options.topK, 1),
    topP: checkFinite('topP', options.topP ?? 1, { above: 0, max: 1 }),
  };
}

/** A token that may be drawn. */
export interface Candidate {
  id: number;
  probability: number;
}

/**
 * The tokens that may come next, the most probable first, equal ones by id, with probabilities that sum to 1: softmax of
 * logits / temperature, cut to topK, scaled up, cut to topP, scaled up again (the order of Hugging Face transformers).
 * At temperature 0 the one token of the largest logit.
 */
export function candidates(logits: FloatArray, options: Required<SamplingOptions>): Candidate[] {
  const { temperature, topK, topP } = options;
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (temperature === 0) return [{ id: order[0], probability: 1 }];
  const largest = logits[order[0]];
  const kept = normalized(
    order.slice(0, topK).map((id) => ({ id, probability: Math.exp((logits[id] - largest) / temperature) })),
  );
  return normalized(kept.slice(0, nucleus(kept, topP)));
}

/** The token whose share of [0, 1) the uniform number falls into. */
export function drawToken(among: readonly Candidate[], uniform: number): number {
  let sum = 0;
  for (const { id, probability } of among) {
    sum += probability;
    if (uniform < sum) return id;
  }
  return among[among.length - 1].id; // the shares sum to 1 but for rounding
}

/** How many of the first tokens reach the probability. */
function nucleus(sorted: readonly Candidate[], topP: number): number {
  let sum = 0;
  for (const [i, { probability }] of sorted.entries()) {
    sum += probability;
    if (sum >= topP) return i + 1;
  }
  return sorted.length;
}

function normalized(weights: readonly Candidate[]): Candidate[] {
  const total = weights.reduce((sum, { probability }) => sum + probability, 0);
  return weights.map(({ id, probability }) => ({ id, probability: probability / total }));
}
