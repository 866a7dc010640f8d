import type { GainOverSeeds } from '../evaluate/matched-loss.ts';
import type { ExplanationData } from '../score/explain-data.ts';

/** Everything that the page of a finished run shows; plain JSON, so that a page can be drawn again without the run. */
export interface ReportData {
  name: string;
  /** One sentence or two: which plans won on what, by how much, against the spread of seeds. */
  headline: string;
  /** Further sentences that qualify it. */
  remarks: string[];
  /** The first one is the baseline. */
  plans: PlanRow[];
  seeds: number[];
  /** Of each training. */
  steps: number;
  tokens: number;
  /** Single domains, the target first, then the mean over all of them. */
  domains: DomainRow[];
  /** Loss along each run: of validation rows by measure (a domain or their mean), or of the rows trained on. */
  curves: {
    kind: 'validation' | 'training';
    points: { plan: string; seed: number; measure: string; step: number; loss: number }[];
  };
  /** How soon each plan reaches the baseline's final loss; by measure, empty without validation curves. */
  reaches: { measure: string; plans: ReachRow[] }[];
  scorings: ScoringRow[];
  /** Spearman's rank correlation over the pool of every two scorings. */
  agreement: { a: string; b: string; spearman: Estimate | null }[];
  /** Where in the pool's scores a plan is along training: share of the pool's rows that score lower. */
  positions: { plan: string; position: number; rank: number }[];
  cost: { stage: string; seconds: number }[];
  quality: QualityData | null;
  /** By measure, what each plan by a scoring saves and costs; absent without validation curves or scorings. */
  gains?: { measure: string; plans: PlanGain[] }[];
  /** What scores have to do with the text; absent where nothing was to be explained. */
  explanations?: ExplainedScoring[];
  recipe: string;
  environment: { name: string; value: string }[];
  command: string;
  created: string;
}

export interface PlanRow {
  name: string;
  description: string;
  /** The scoring that it selects and orders by; null where it needs none. */
  scoring: string | null;
  /** What is kept, as in a plan's name; null for all rows. */
  selection: string | null;
  /** As in a plan's name. */
  order: string;
  /** The plan before it that visits the same rows in the same order, whatever the seed. */
  sameAs: string | null;
  /** Of the rows of its plans of all seeds, the share whose document is not corrupted; null where no noise was planted. */
  purity: number | null;
}

/** Compute of a plan against the baseline at matched loss, with all that its scoring took. */
export interface PlanGain {
  plan: string;
  scoring: string;
  gain: GainOverSeeds;
}

/** An explanation of one scoring, and the page that shows it alone, relative to the run's folder. */
export interface ExplainedScoring {
  name: string;
  file: string;
  explanation: ExplanationData;
}

/** Validation loss of one domain (or of the mean over domains) under each plan. */
export interface DomainRow {
  domain: string;
  /** The domain that the scores were aimed at. */
  target: boolean;
  rows: number;
  plans: {
    plan: string;
    mean: number;
    sd: number;
    /** Paired by seed, against the baseline; null for the baseline itself. */
    difference: Difference | null;
  }[];
}

export interface Difference {
  mean: number;
  sd: number;
  perSeed: number[];
  /** Null for a single seed, with which nothing can be tested. */
  test: {
    /** Half the width of the mean's 95 % confidence interval. */
    margin: number;
    /** Two-sided p of the paired t-test. */
    t: number;
    /** The same, corrected for the number of plans compared with the baseline on this row (Holm). */
    adjusted: number;
    /** Two-sided p of the exact sign-flip permutation test. */
    permutation: number;
  } | null;
  /** The corrected p is below 0.05. */
  clear: boolean;
}

/** Optimizer steps after which a plan's validation loss is down to the baseline's last one of the same seed. */
export interface ReachRow {
  plan: string;
  /** Null where it never is. */
  perSeed: (number | null)[];
  /** Over all seeds; null where one of them never reaches it. */
  mean: number | null;
  sd: number | null;
  /** The baseline's own mean over this one: its curve, too, may be down there before its end. */
  speed: number | null;
}

export interface DocumentRow {
  id: string;
  domain: string;
  label: string | null;
  score: number;
  text: string;
}

/** One scoring: what it cost, what it saved and what it likes. */
export interface ScoringRow {
  name: string;
  /** As in LQS, low perplexity. */
  title: string;
  /** Of its stage, and of training the annotating model where it needs one. */
  seconds: number;
  flops: number;
  /** The same FLOPs in trainings of this run. */
  trainings: number;
  /** Scorings that the same stage made: its cost is counted for each of them in full. */
  sharedWith: string[];
  /** By measure, what its quickest plan saves. */
  savings: Saving[];
  poolRows: number;
  proxyRows: number;
  /** Rank correlation, over proxy rows, of what the pool is scored by with scores taken at more steps. */
  spearman: Estimate | null;
  /** How its scores are distributed within each domain. */
  histograms: Histogram[];
  best: DocumentRow[];
  worst: DocumentRow[];
}

/** An estimate from a sample of rows, with what it may be off by for want of more; null where that is not defined. */
export interface Estimate {
  value: number;
  standardError: number | null;
}

export interface Saving {
  measure: string;
  /** The plan by this scoring that is down to the baseline's loss soonest; null where none is before the end. */
  plan: string | null;
  /** Share that it saves of the steps of the baseline itself. */
  share: number;
  /** After so many trainings the saved FLOPs outweigh those of scoring; null where nothing is saved. */
  paysAfter: number | null;
}

/** Shares of values by bins of equal width from `low` on; values outside of the bins count in no share. */
export interface Histogram {
  domain: string;
  low: number;
  width: number;
  shares: number[];
}

/** How well scores tell the documents of one label from others; the labels are never shown to a method. */
export interface QualityData {
  column: string;
  positive: string;
  positives: number;
  negatives: number;
  /** The column that `byGroup` divides the negatives by. */
  groupColumn: string | null;
  /** Area under the ROC curve: how often a positive row is ranked above another one; 0.5 is chance. */
  scores: { name: string; auc: Estimate; byGroup: Record<string, Estimate> }[];
  /** Share of positives among the labelled rows that a selection keeps; the first one is that of the whole pool. */
  purity: { name: string; judged: number; share: Estimate | null }[];
}
