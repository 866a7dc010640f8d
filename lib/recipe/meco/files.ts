import type { RunContext } from '../context.ts';
import type { Arm, MecoRecipe } from './schema.ts';

export type MecoContext = RunContext<MecoRecipe>;

/** Which rows an arm is trained on: a folder that `conditionInto` wrote, and what its rows are. */
export const ROWS_OF: Record<Arm, 'plain' | 'meco' | 'conditioned'> = {
  standard: 'plain',
  meco: 'meco',
  mixed: 'meco',
  'metadata-only': 'conditioned',
};
export type Rows = (typeof ROWS_OF)[Arm];

/** Relative to the run's folder. */
export const rowsDir = (rows: Rows): string => `rows/${rows}/`;
export const rowsStage = (rows: Rows): string => `rows ${rows}`;
export const trainingDir = (arm: Arm, seed: number): string => `train/${arm}-seed${seed}/`;
export const trainingStage = (arm: Arm, seed: number): string => `train ${arm} seed ${seed}`;

export const MECO_FILES = {
  questions: 'questions.jsonl',
  evaluation: 'evaluation.json',
  texts: 'texts.json',
} as const;

/** Shares of the splits as the data stages take them: nothing is scored, so there is no proxy and no target. */
export function sharesOf({ rows }: MecoRecipe): { train: number; proxy: number; target: number; validation: number } {
  return { train: 1 - rows.validation, proxy: 0, target: 0, validation: rows.validation };
}
