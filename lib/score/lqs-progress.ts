import type { Batch } from '../data/batch.ts';

interface SweepWork {
  /** One for each step of the run. */
  batches: Batch[];
  target: Batch[];
  sets: { batches: Batch[]; scored(t: number): boolean; normed(t: number): boolean }[];
}

export interface ProgressTracker {
  /** The run has come to θ_step; going over earlier steps again does not count. */
  reached(step: number): void;
  /** This many more rows of visits are done. */
  advance(rows: number): void;
}

/**
 * Progress of a sweep in rows: those of the run's first pass, and at every visited iterate those of the target, of the
 * step's Hessian product and of the sets to score. `from` is the iterate to visit first.
 */
export function trackProgress(
  { batches, target, sets }: SweepWork,
  from: number,
  onProgress: ((progress: { done: number; total: number }) => void) | undefined,
): ProgressTracker {
  const steps = batches.length;
  const visitRows = Array.from({ length: steps + 1 }, (_, t) => {
    const visited = sets.filter((set) => set.scored(t) || set.normed(t));
    return countRows([...target, ...batches.slice(t, t + 1), ...visited.flatMap((set) => set.batches)]);
  });
  const sum = (rows: number[]) => rows.reduce((a, b) => a + b, 0);
  const total = countRows(batches) + sum(visitRows);
  let furthest = from < steps ? steps : 0;
  let visited = sum(visitRows.slice(from + 1));
  const report = () => onProgress?.({ done: countRows(batches.slice(0, furthest)) + visited, total });
  return {
    reached(step) {
      if (step <= furthest) return;
      furthest = step;
      report();
    },
    advance(rows) {
      visited += rows;
      report();
    },
  };
}

export function countRows(batches: readonly Batch[]): number {
  return batches.reduce((rows, { batch }) => rows + batch, 0);
}
