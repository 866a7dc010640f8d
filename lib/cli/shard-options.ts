import type { Option } from 'commander';
import type { ScoreShard } from '../score/shards.ts';
import { integer, option, positiveInteger } from './command.ts';
import { UsageError } from './io.ts';

export interface ShardFlags {
  shard?: number;
  of?: number;
}

/** The options of commands whose work several processes can divide. */
export const shardOptions: Option[] = [
  option(
    '--shard <i>',
    'score only part i of the rows, counted from 0 (default: JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID)',
    integer,
  ),
  option('--of <n>', 'number of parts (default: SLURM_ARRAY_TASK_COUNT)', positiveInteger),
];

/**
 * The part that this process is to do: what the flags say, else what Kubernetes (an indexed job) or Slurm (a job array)
 * says; undefined for all rows.
 * @throws UsageError where only one of index and number is known, or the index is not below the number
 */
export function shardOf(flags: ShardFlags, environment: NodeJS.ProcessEnv = process.env): ScoreShard | undefined {
  const index = flags.shard ?? fromEnvironment(environment, ['JOB_COMPLETION_INDEX', 'SLURM_ARRAY_TASK_ID']);
  const count = flags.of ?? fromEnvironment(environment, ['SLURM_ARRAY_TASK_COUNT']);
  const first = fromEnvironment(environment, ['SLURM_ARRAY_TASK_MIN']) ?? 0;
  if (flags.shard === undefined && flags.of === undefined && count !== undefined && first !== 0) {
    throw new UsageError(`SLURM_ARRAY_TASK_MIN: expected 0, got ${first}; submit the array as 0-${count - 1}`);
  }
  if (index === undefined && count === undefined) return undefined;
  if (index === undefined) throw new UsageError(`--of ${count}: expected --shard as well, the part to do`);
  if (count === undefined) {
    throw new UsageError(`part ${index} of an unknown number: give --of (--shard 0 --of 1 for all rows)`);
  }
  if (index >= count) {
    throw new UsageError(
      `part ${index} of ${count}: expected an index below the number; parts, and the tasks of an array, count from 0`,
    );
  }
  return { index, count };
}

function fromEnvironment(environment: NodeJS.ProcessEnv, names: string[]): number | undefined {
  const name = names.find((each) => environment[each] !== undefined);
  if (name === undefined) return undefined;
  const text = environment[name]!;
  if (!/^\d+$/.test(text)) throw new UsageError(`${name}: expected an integer >= 0, got ${JSON.stringify(text)}`);
  return Number(text);
}
