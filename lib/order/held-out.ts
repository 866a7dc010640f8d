import { invalid } from '../check.ts';
import type { Samples, Split } from '../data/samples.ts';
import type { Plan } from './plan.ts';

/** Splits whose rows judge or steer a training, and so must not be in it. */
const HELD_OUT: readonly Split[] = ['target', 'validation'];

/**
 * A plan without rows of the splits target and validation, and how many of each it had (none: no entry).
 * @param name what messages call the plan
 * @throws GradfoldError INVALID_DATA where no other row is left
 */
export function withoutHeldOut(
  plan: Plan,
  samples: Pick<Samples, 'split'>,
  name: string,
): { plan: Plan; heldOut: Partial<Record<Split, number>> } {
  const splits = Array.from(plan.rows, (row) => samples.split(row));
  const heldOut = Object.fromEntries(
    HELD_OUT.map((split) => [split, splits.filter((each) => each === split).length] as const).filter(([, n]) => n > 0),
  );
  if (Object.keys(heldOut).length === 0) return { plan, heldOut };
  const stays = (_: unknown, i: number): boolean => !HELD_OUT.includes(splits[i]);
  const rows = plan.rows.filter(stays);
  if (rows.length === 0) {
    throw invalid(`rows of ${name}`, 'some of the split train', `only rows of ${Object.keys(heldOut).join(' and ')}`, {
      code: 'INVALID_DATA',
      fix: 'those are held out; score and select rows of the split train',
    });
  }
  return { plan: { ...plan, rows, layers: plan.layers.filter(stays), weights: plan.weights.filter(stays) }, heldOut };
}
