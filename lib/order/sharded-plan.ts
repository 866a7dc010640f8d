import { checkLength, invalid } from '../check.ts';
import { shardOf, type Shard } from '../data/shards.ts';
import type { Plan } from './plan.ts';

/** The table that a plan speaks of: its rows, and the shards that they lie in where they are several. */
export interface PlannedTable {
  readonly count: number;
  readonly shards?: readonly Pick<Shard, 'start' | 'count'>[];
}

/**
 * A plan whose rows are row numbers of the whole table; one that is so already comes back as it is.
 * @param what names the plan in errors.
 * @throws GradfoldError INVALID_DATA for a shard or a row that the table does not have.
 */
export function wholePlan(plan: Plan, table: PlannedTable, what = 'plan'): Plan {
  const { rows, shards: places, ...rest } = plan;
  const shards = table.shards ?? [{ start: 0, count: table.count }];
  const refuse = (i: number, expected: string, actual: number) =>
    invalid(`${what}, position ${i}`, expected, actual, {
      code: 'INVALID_DATA',
      fix: 'give the samples that the plan was made from',
    });
  if (places === undefined) {
    const beyond = rows.findIndex((row) => row >= table.count);
    if (beyond >= 0) throw refuse(beyond, `a row below ${table.count}`, rows[beyond]);
    return plan;
  }
  checkLength(`${what}, shards`, places, rows.length, 'one a row of the plan');
  const whole = rows.map((row, i) => {
    if (places[i] >= shards.length) throw refuse(i, `a shard below ${shards.length}`, places[i]);
    const { start, count } = shards[places[i]];
    if (row >= count) throw refuse(i, `a row of shard ${places[i]} below ${count}`, row);
    return start + row;
  });
  return { ...rest, rows: whole };
}

/** The inverse: the shard of each row, and the row within it. Errors: INVALID_ARGUMENT for a row that is not there. */
export function shardedPlan(plan: Plan, shards: readonly Shard[]): Plan {
  const places = plan.rows.map((row, i) => shardOf(shards, row, `plan.rows[${i}]`));
  return { ...plan, rows: plan.rows.map((row, i) => row - shards[places[i]].start), shards: places };
}
