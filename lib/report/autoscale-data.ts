import type { MixtureAnalysis } from '../mix/analysis.ts';
import type { MixtureRegression } from '../mix/regression.ts';
import type { DomainUse } from '../mix/sampler.ts';
import type { Difference } from './data.ts';

/** What the trainings at small scales, and at the target where it was searched, say of mixtures. */
export interface MixtureFindings {
  /** In the order of all lists. */
  domains: string[];
  /** Rows of the training split. */
  sizes: number[];
  /** From the small scales: what AutoScale goes by. */
  small: MixtureAnalysis;
  /** The target searched by itself; null where it was not. */
  target: MixtureAnalysis | null;
  regression: MixtureRegression & { runs: number };
}

/** Losses of one mixture at the target on the rows of one measure. */
export interface ComparedLoss {
  /** A domain, or AVERAGE. */
  measure: string;
  mean: number;
  /** Between seeds; 0 for one seed. */
  sd: number;
  /** To the first mixture, paired by seed; null for itself. */
  difference: Difference | null;
}

export interface ComparedMixture {
  name: string;
  title: string;
  /** Shares in the order of the findings' domains, as they were trained on. */
  weights: number[];
  domains: DomainUse[];
  losses: ComparedLoss[];
}

/** What a search or the random runs took. */
export interface MixCost {
  stage: string;
  runs: number;
  steps: number;
  tokens: number;
  /** Training alone, all processes added up. */
  seconds: number;
}

/** A finished run of AutoScale: everything that its page and the terminal show. Plain JSON. */
export interface AutoscaleData {
  name: string;
  headline: string;
  remarks: string[];
  /** Rows of the base run at the searched small scales, and of the target. */
  small: number[];
  target: number;
  seeds: number[];
  findings: MixtureFindings;
  mixtures: ComparedMixture[];
  costs: MixCost[];
  /** With all defaults. */
  recipe: string;
  environment: { name: string; value: string }[];
  /** What makes the run again. */
  command: string;
  created: string;
}

/** The weighted mean of the domains' losses: what the mixtures are to lower. */
export const AVERAGE = 'average';
