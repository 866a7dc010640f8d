import { expect, test } from 'vitest';
import { UsageError } from '../../lib/cli/io.ts';
import { shardOf } from '../../lib/cli/shard-options.ts';

test.each([
  ['nothing said', {}, {}, undefined],
  ['flags', { shard: 2, of: 3 }, {}, { index: 2, count: 3 }],
  ['an indexed job of Kubernetes', { of: 4 }, { JOB_COMPLETION_INDEX: '1' }, { index: 1, count: 4 }],
  [
    'a job array of Slurm',
    {},
    { SLURM_ARRAY_TASK_ID: '0', SLURM_ARRAY_TASK_COUNT: '8', SLURM_ARRAY_TASK_MIN: '0' },
    { index: 0, count: 8 },
  ],
  [
    'flags before the environment',
    { shard: 0, of: 1 },
    { SLURM_ARRAY_TASK_ID: '5', SLURM_ARRAY_TASK_COUNT: '8' },
    { index: 0, count: 1 },
  ],
])('%s', (_, flags, environment, expected) => {
  expect(shardOf(flags, environment)).toEqual(expected);
});

test.each([
  ['a number without an index', { of: 3 }, {}, /--of 3: expected --shard/],
  ['an index without a number', {}, { JOB_COMPLETION_INDEX: '1' }, /part 1 of an unknown number: give --of/],
  ['an index too high', { shard: 3, of: 3 }, {}, /part 3 of 3: expected an index below/],
  [
    'an array that counts from 1',
    {},
    { SLURM_ARRAY_TASK_ID: '1', SLURM_ARRAY_TASK_COUNT: '8', SLURM_ARRAY_TASK_MIN: '1' },
    /SLURM_ARRAY_TASK_MIN: expected 0, got 1; submit the array as 0-7/,
  ],
  ['an index that is none', { of: 2 }, { JOB_COMPLETION_INDEX: 'x' }, /JOB_COMPLETION_INDEX: expected an integer/],
])('%s is bad usage', (_, flags, environment, message) => {
  expect(() => shardOf(flags, environment)).toThrow(UsageError);
  expect(() => shardOf(flags, environment)).toThrow(message);
});
