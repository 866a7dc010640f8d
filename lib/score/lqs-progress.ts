import { stepsAhead } from './lqs-iterates.ts';
import { HESSIAN_WORK } from './lqs-passes.ts';

/** What there is to do, in rows. */
export interface SweepRows {
  /** Of the batch of each step. */
  steps: number[];
  target: number;
  sets: { rows: number; scored(t: number): boolean; normed(t: number): boolean }[];
}

/**
 * The work of visiting θ_from … θ_0 when some iterates are stored, in forward-backward passes over one row: steps of the
 * run, again where their iterates were not kept; at every iterate the target, and before θ_T the Hessian product; and
 * the sets that are visited there.
 */
export function sweepWork({ steps, target, sets }: SweepRows, from: number, stored: Iterable<number>): number {
  let work = 0;
  for (const t of stepsAhead(steps.length, from, stored)) work += steps[t];
  for (let t = 0; t <= from; t++) {
    const visited = sets.filter((set) => set.scored(t) || set.normed(t));
    work += target + HESSIAN_WORK * (steps[t] ?? 0) + visited.reduce((sum, { rows }) => sum + rows, 0);
  }
  return work;
}

/**
 * Progress of a sweep that begins with `left` work to do out of that of a whole one.
 * @returns to be called with the work done since the last call
 */
export function trackProgress(
  rows: SweepRows,
  left: number,
  onProgress: ((progress: { done: number; total: number }) => void) | undefined,
): (work: number) => void {
  const total = sweepWork(rows, rows.steps.length, []);
  let done = Math.max(0, total - left);
  return (work) => {
    done += work;
    onProgress?.({ done: Math.round(done), total: Math.round(total) });
  };
}
