import type { Difference } from './data.ts';

/** Everything that the page of a MeCo run shows; plain JSON. */
export interface MecoData {
  method: 'meco';
  name: string;
  headline: string;
  remarks: string[];
  /** The first one is the baseline. */
  arms: { name: string; description: string }[];
  seeds: number[];
  /** Of each training. */
  steps: number;
  tokens: number;
  /** Loss of all held-out rows and of each group, under each condition. */
  losses: MeasureRow[];
  /** Share of right answers, under each condition. */
  choices: MeasureRow[];
  /** Within each arm: the loss under own or other metadata, with its difference to that under none or other ones. */
  steering: MeasureRow[];
  questions: { count: number; choices: number };
  /** What the models of the first seed write. */
  texts: { arm: string; metadata: string | null; text: string }[];
  prompt: string;
  cost: { stage: string; seconds: number }[];
  recipe: string;
  environment: { name: string; value: string }[];
  command: string;
  created: string;
}

/** A number of every arm, mean over the seeds. */
export interface MeasureRow {
  /** What is measured, such as a group of documents. */
  measure: string;
  /** What stood before the texts. */
  condition: string;
  /** Tokens or questions that it is a mean over. */
  count: number;
  arms: {
    arm: string;
    mean: number;
    sd: number;
    /** To the baseline, paired by seed; of a row on steering to the other condition, within the arm. Null where there is none. */
    difference: Difference | null;
  }[];
}
