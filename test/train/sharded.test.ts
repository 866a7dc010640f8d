import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { SamplesBuilder } from '../../lib/data/flat-samples.ts';
import { openSamples, writeSamples } from '../../lib/data/samples.ts';
import { readPlan, writePlan } from '../../lib/order/plan.ts';
import { shardedPlan } from '../../lib/order/sharded-plan.ts';
import { digestParameters } from '../../lib/train/fingerprint.ts';
import { planBatch, prefetchRows, READ_AHEAD, type TokenSource } from '../../lib/train/sample-loader.ts';
import { train } from '../../lib/train/trainer.ts';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { toyPlan, toyRun, toySamples } from './toy.ts';

let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-sharded-'));
  const builder = new SamplesBuilder(7);
  for (let row = 0; row < toySamples.count; row++) builder.add(toySamples.tokens(row), row, 'd', 'train');
  await writeSamples(at('one.arrow'), builder.build());
  await writeSamples(at('shards'), builder.build(), { shardRows: 5 });
});
afterAll(() => rm(directory, { recursive: true }));

describe.each(TESTED_BACKENDS.filter(({ available }) => available))('training on $name', ({ name }) => {
  it('ends with the same bits from memory, one file and shards, and by either kind of plan', async () => {
    const backend = await openBackend(name, { threads: 1 });
    const { plan } = await toyRun();
    const sharded = await openSamples(at('shards'));
    await writePlan(at('plan.arrow'), plan);
    await writePlan(at('sharded-plan.arrow'), shardedPlan(plan, sharded.shards!));
    const digests = new Set<string>();
    for (const [samples, planned] of [
      [toySamples, plan],
      [await openSamples(at('one.arrow')), await readPlan(at('plan.arrow'))],
      [sharded, await readPlan(at('plan.arrow'), sharded)],
      [sharded, await readPlan(at('sharded-plan.arrow'), sharded)],
    ] as const) {
      const run = await toyRun(backend);
      await train({ ...run, samples, plan: planned });
      digests.add(digestParameters(run.model.parameters));
    }
    expect(digests.size).toBe(1);
    backend.dispose();
  });
});

it('a plan that counts within shards is not taken for one that counts through', async () => {
  const plan = { ...toyPlan([0, 1]), shards: Uint32Array.of(0, 1) };
  await expect(train({ ...(await toyRun()), plan })).rejects.toThrow('readPlan(path, samples)');
});

describe('rows are announced', () => {
  it('READ_AHEAD steps before they are read, each once', async () => {
    const events: string[] = [];
    const samples: TokenSource = {
      tokens(row) {
        events.push(`read ${row}`);
        return toySamples.tokens(row);
      },
      prefetch: (rows) => events.push(...Array.from(rows, (row) => `announce ${row}`)),
    };
    const { plan, batchSize, steps = 0, ...run } = await toyRun();
    await train({ ...run, plan, batchSize, steps, samples });
    const tape = Array.from({ length: (steps + READ_AHEAD) * batchSize }, (_, i) => plan.rows[i % plan.rows.length]);
    const of = (what: string) =>
      events.filter((event) => event.startsWith(what)).map((event) => Number(event.split(' ')[1]));
    expect(of('announce')).toEqual(tape);
    expect(of('read')).toEqual(tape.slice(0, steps * batchSize));
    const firstRead = events.findIndex((event) => event.startsWith('read'));
    expect(firstRead).toBe((READ_AHEAD + 1) * batchSize);
  });

  it('to samples that can take it; the others are just read', () => {
    const plan = toyPlan([3, 1, 2]);
    prefetchRows(toySamples, plan, 0, 2);
    expect(planBatch(toySamples, plan, 1, 2).epoch).toBe(0);
  });
});
