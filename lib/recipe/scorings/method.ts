import type { RunContext } from '../context.ts';
import type { Recipe } from '../schema.ts';
import type { ScoringRecipe } from '../scoring-schema.ts';
import type { Facts } from '../stage.ts';
import type { Work } from '../work.ts';

/** Scorings of one stage, by name. */
export type Scorings<Scoring = ScoringRecipe> = Record<string, Scoring>;

export interface ScoringCall<Scoring> {
  scorings: Scorings<Scoring>;
  /** The rows to score. */
  pool: Uint32Array;
  /** A folder that outlives a kill and is removed when the stage is finished. */
  scratch: string;
  /** `unit`, rows unless said, tells the parts of a scoring apart. */
  onProgress: (done: number, total: number, unit?: string) => void;
}

/** What a stage of scoring has made. */
export interface ScoringResult {
  /** By scoring, one score for each row of the pool; higher is better. */
  scores: Record<string, Float64Array>;
  /** Further score tables: by file name under the run's scores folder, their rows and columns. */
  tables?: Record<string, { rows: Uint32Array; columns: Record<string, Float64Array> }>;
  facts: Facts;
}

/** One way of scoring rows, as a stage of a run. */
export interface ScoringMethod<Scoring> {
  /** What the scores are called on a page. */
  title(scoring: Scoring): string;
  /** What scorings must share to be made by one stage; every one has its own where this is absent. */
  shares?(scoring: Scoring): unknown;
  /** Other scorings that it is made from. */
  reads?(scoring: Scoring): string[];
  /** Files that the scores depend on, relative to the recipe's folder. */
  files?(scoring: Scoring): string[];
  /** Whether it leaves more than scores, in a folder of the scoring's name (`leavingsOf`). */
  leaves?: boolean;
  /** What the stage of these scorings puts through the model. */
  work(recipe: Recipe, scorings: Scoring[]): Work;
  /** The part of it that trains what scores, and would not be repeated for further rows; none where this is absent. */
  training?(recipe: Recipe, scorings: Scoring[]): Work;
  score(context: RunContext, call: ScoringCall<Scoring>): Promise<ScoringResult>;
}
