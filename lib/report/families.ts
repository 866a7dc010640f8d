import type { PlanRow } from './data.ts';

/** Plans that differ in their order alone: what they score by and keep. */
export function familyOf({ scoring, selection }: PlanRow): string {
  return [scoring ?? 'no scoring', selection ?? 'all rows'].join(', ');
}

/** The families of plans, in their order. */
export function familiesOf(plans: PlanRow[]): string[] {
  return [...new Set(plans.map(familyOf))];
}
