import { invalid } from '../check.ts';
import { rowCounts, type BatchList } from '../data/batch-list.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { SgdRun } from './lqs-iterates.ts';
import type { Passes } from './lqs-passes.ts';

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
  batches: BatchList;
  /** J is the mean loss of all their rows. */
  target: BatchList;
  lr: number;
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
  { batches, target, lr }: SweepProblem,
  passes: Passes,
  run: SgdRun,
  state: SweepState,
): AsyncGenerator<number> {
  const targetRows = rowCounts(target).reduce((a, b) => a + b, 0);
  while (state.step >= 0) {
    const { step, lambda } = state;
    await run.restore(step);
    yield step;
    if (step < run.steps) lambda.axpy(-lr, await passes.hvp(batches.at(step)!, lambda));
    let loss = 0;
    for (const batch of target) loss += await passes.addGradient(batch, 1 / targetRows, lambda);
    state.targetLosses[step] = loss / targetRows;
    state.lambdaNorms[step] = lambda.norm();
    checkConvergence(`target loss at step ${step}`, state.targetLosses[step], lr);
    checkConvergence(`adjoint norm at step ${step}`, state.lambdaNorms[step], lr);
    state.step--;
    await run.forget(step);
  }
}

function checkConvergence(name: string, value: number, lr: number): void {
  if (Number.isFinite(value)) return;
  throw invalid(name, 'a finite number', value, {
    code: 'INVALID_DATA',
    fix: `the SGD run diverges at lr ${lr}: lower it`,
  });
}
