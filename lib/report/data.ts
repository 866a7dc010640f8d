/** Everything that the page of a finished run shows; plain JSON, so that a page can be drawn again without the run. */
export interface ReportData {
  name: string;
  /** One sentence: which plan won on what, by how much, against the spread of seeds. */
  headline: string;
  /** Further sentences that qualify it. */
  remarks: string[];
  /** The first one is the baseline. */
  plans: { name: string; description: string }[];
  seeds: number[];
  domains: DomainRow[];
  /** Loss along each run: of validation rows (mean of domains) or of the rows trained on. */
  curves: {
    kind: 'validation' | 'training';
    points: { plan: string; seed: number; step: number; loss: number }[];
  };
  /** Scores of pool rows by domain. */
  scores: { domain: string; values: number[] }[];
  best: DocumentRow[];
  worst: DocumentRow[];
  /** Score by position in training order. */
  positions: { plan: string; position: number; score: number }[];
  cost: { stage: string; seconds: number }[];
  scoring: ScoringRow;
  quality: QualityRow | null;
  recipe: string;
  environment: { name: string; value: string }[];
  command: string;
  created: string;
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
  /** Every seed agrees on the sign, and the mean exceeds twice its standard error. */
  clear: boolean;
}

export interface DocumentRow {
  id: string;
  domain: string;
  label: string | null;
  score: number;
  text: string;
}

export interface ScoringRow {
  seconds: number;
  /** Of the whole run. */
  share: number;
  poolRows: number;
  proxyRows: number;
  poolVisits: number;
  proxyVisits: number;
  /** Rank correlation, over the proxy rows, of the pool's cheap score with the full annotation. */
  spearman: number | null;
}

/** Area under the ROC curve of each score for separating the two labels; the labels are never shown to a method. */
export interface QualityRow {
  positive: string;
  negative: string;
  positives: number;
  negatives: number;
  scores: { name: string; auc: number }[];
}
