import type { CrossValidatedLasso } from '../evaluate/lasso.ts';
import type { ScoreExplanation } from './explain.ts';

type Lasso = Omit<CrossValidatedLasso, 'path'> & {
  path: (Omit<CrossValidatedLasso['path'][number], 'coefficients'> & { coefficients: number[] })[];
};

/** An explanation as plain JSON: typed arrays are lists. */
export type ExplanationData = Omit<ScoreExplanation, 'lasso'> & { lasso: Lasso | null };

export function explanationData({ lasso, ...rest }: ScoreExplanation): ExplanationData {
  const path = lasso?.path.map((point) => ({ ...point, coefficients: [...point.coefficients] }));
  return { ...rest, lasso: lasso && { ...lasso, path: path! } };
}
