import { invalid } from '../check.ts';
import type { Batch } from '../data/batch.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { SgdRun } from './lqs-iterates.ts';

/** Where a reverse sweep stands. */
export interface SweepState {
  /** The iterate to visit next: T at the start, −1 when the sweep is complete. */
  step: number;
  /** λ_{step+1}; zero before the visit to θ_T. */
  lambda: ParameterVector;
  /** ‖λ_t‖, t = 0 … T, known for t > step. */
  lambdaNorms: Float64Array;
  /** J(θ_t), t = 0 … T, known for t > step. */
  targetLosses: Float64Array;
}

export interface SweepProblem {
  /** b_t, the batch of each step [T]. */
  batches: Batch[];
  /** J is the mean loss of all their rows. */
  target: Batch[];
  lr: number;
  signal?: AbortSignal;
  /** Called with the number of rows worked through. */
  onRows?: (rows: number) => void;
}

/**
 * The adjoint recursion of a short SGD run (Pontryagin's principle; Gu et al. 2025):
 * λ_T = ∇J(θ_T), λ_t = λ_{t+1} + ∇J(θ_t) − lr·∇²L_{b_t}(θ_t) λ_{t+1}.
 *
 * Yields t = T … 0; while it waits there, the model is at θ_t and `state` holds λ_{t+1}. `state` is consistent, and may
 * be saved, at every yield and at the end.
 * @throws GradfoldError INVALID_DATA when the run or the recursion diverges.
 */
export async function* reverseSweep(
  model: Pick<LanguageModel, 'vector' | 'gradient' | 'hvp'>,
  problem: SweepProblem,
  run: SgdRun,
  state: SweepState,
): AsyncGenerator<number> {
  const { batches, lr, signal, onRows } = problem;
  const scratch = model.vector();
  try {
    while (state.step >= 0) {
      const { step, lambda } = state;
      await run.restore(step);
      yield step;
      if (step < run.steps) {
        const { hvp } = await model.hvp(batches[step], lambda, { signal });
        lambda.axpy(-lr, hvp);
        hvp.dispose();
        onRows?.(batches[step].batch);
      }
      state.targetLosses[step] = await addTargetGradient(model, problem, lambda, scratch);
      state.lambdaNorms[step] = lambda.norm();
      checkConvergence(`target loss at step ${step}`, state.targetLosses[step], lr);
      checkConvergence(`adjoint norm at step ${step}`, state.lambdaNorms[step], lr);
      state.step--;
      await run.forget(step);
    }
  } finally {
    scratch.dispose();
  }
}

/** sum += ∇J at the model's parameters; resolves to J. */
async function addTargetGradient(
  model: Pick<LanguageModel, 'gradient'>,
  { target, signal, onRows }: SweepProblem,
  sum: ParameterVector,
  scratch: ParameterVector,
): Promise<number> {
  const rows = target.reduce((count, { batch }) => count + batch, 0);
  let total = 0;
  for (const batch of target) {
    const weights = new Float64Array(batch.batch).fill(1 / rows);
    const { perSample } = await model.gradient(batch, { weights, into: scratch, signal });
    sum.axpy(1, scratch);
    total += perSample.reduce((a, b) => a + b, 0);
    onRows?.(batch.batch);
  }
  return total / rows;
}

function checkConvergence(name: string, value: number, lr: number): void {
  if (Number.isFinite(value)) return;
  throw invalid(name, 'a finite number', value, {
    code: 'INVALID_DATA',
    fix: `the SGD run diverges at lr ${lr}: lower it`,
  });
}
