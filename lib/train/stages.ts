import { checkInteger, invalid } from '../check.ts';
import type { Plan } from '../order/plan.ts';

/** From position `start` of the tape on, the plan's rows from `first` to the next stage's are read round and round. */
export interface PlanStage {
  /** Rows read before it. */
  start: number;
  /** Index of its first row in the plan. */
  first: number;
}

/** A plan whose parts are read one after the other, each as a tape of its own. */
export type StagedPlan = Plan & { stages?: readonly PlanStage[] };

/** Which row of the plan stands at a position of the tape, and how often its stage was read through before. */
export function placeAt(plan: StagedPlan, position: number): { place: number; epoch: number } {
  const { stages = [] } = plan;
  const next = stages.findIndex(({ start }) => start > position);
  const count = next < 0 ? stages.length : next;
  const { start, first } = count === 0 ? { start: 0, first: 0 } : stages[count - 1];
  const end = count < stages.length ? stages[count].first : plan.rows.length;
  const offset = position - start;
  return { place: first + (offset % (end - first)), epoch: Math.floor(offset / (end - first)) };
}

/** @throws GradfoldError INVALID_ARGUMENT unless stages begin at 0, go up, and have rows each. */
export function checkStages({ stages, rows }: StagedPlan): void {
  if (stages === undefined) return;
  if (!Array.isArray(stages) || stages.length === 0) throw invalid('plan.stages', 'at least one stage', stages);
  stages.forEach(({ start, first }: PlanStage, i) => {
    const before = i === 0 ? undefined : (stages[i - 1] as PlanStage);
    const [leastStart, leastFirst] = before ? [before.start + 1, before.first + 1] : [0, 0];
    checkInteger(`plan.stages[${i}].start`, start, leastStart, before ? undefined : 0);
    checkInteger(`plan.stages[${i}].first`, first, leastFirst, before ? rows.length - 1 : 0);
  });
}
