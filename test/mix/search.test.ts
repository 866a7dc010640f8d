import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SamplesBuilder } from '../../lib/data/flat-samples.ts';
import { writeSamples } from '../../lib/data/samples.ts';
import { randomUint32, streamOf } from '../../lib/random.ts';
import type { JobRecord } from '../../lib/recipe/autoscale/training-job.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const CHILD = fileURLToPath(new URL('search-child.mjs', import.meta.url));
const RUNS = ['base', 'garden-x2', 'garden-x0.5', 'harbour-x2', 'harbour-x0.5'].map((name) => `${name}-seed3`);
/** Rows of the runs over two a step. */
const STEPS = [6, 9, 5, 9, 5];

let library: CompiledLibrary;
let directory: string;
let samples: string;
let whole: string | undefined;

beforeAll(async () => {
  library = await compileLibrary();
  directory = await mkdtemp(join(tmpdir(), 'gradfold-search-'));
  samples = join(directory, 'samples.arrow');
  const builder = new SamplesBuilder(6);
  const draw = (index: number) => randomUint32(1, streamOf('search test'), index);
  for (let row = 0; row < 40; row++) {
    const domain = row % 2 === 0 ? 'garden' : 'harbour';
    const tokens = Int32Array.from({ length: 6 }, (_, t) => (row % 2) * 9 + (draw(6 * row + t) % 9));
    builder.add(tokens, row, domain, row < 8 ? 'validation' : 'train');
  }
  await writeSamples(samples, builder.build());
  whole = await search('whole', 1);
}, 240_000);

afterAll(async () => {
  await rm(directory, { recursive: true });
  await library.remove();
});

const search = (name: string, processes: number, kill?: { ticks: number; delay: number }) =>
  runChild([CHILD, library.directory, samples, join(directory, name), String(processes)], kill);

const recordOf = async (name: string, run: string): Promise<JobRecord> =>
  JSON.parse(await readFile(join(directory, name, run, 'record.json'), 'utf8'));

/** Runs that have a record, with the time of its file. */
async function finished(name: string): Promise<Map<string, number>> {
  const found = await Promise.all(
    RUNS.map(async (run) => {
      const file = await stat(join(directory, name, run, 'record.json')).catch(() => undefined);
      return file ? [[run, file.mtimeMs] as const] : [];
    }),
  );
  return new Map(found.flat());
}

describe('a search', () => {
  it('leaves a record of every run, and nothing that is not needed any more', async () => {
    expect(whole).toMatch(/^[0-9a-f]{64}$/);
    for (const [i, run] of RUNS.entries()) {
      const record = await recordOf('whole', run);
      expect(record).toMatchObject({ steps: STEPS[i], job: { seed: 3 } });
      expect(Object.keys(record.losses)).toEqual(['garden', 'harbour']);
      expect((await readdir(join(directory, 'whole', run))).sort()).toEqual([
        'log.jsonl',
        'record.json',
        'started.json',
      ]);
    }
    const base = await recordOf('whole', RUNS[0]);
    expect(base.domains).toEqual([
      { domain: 'garden', available: 16, rows: 6, epochs: 6 / 16 },
      { domain: 'harbour', available: 16, rows: 6, epochs: 6 / 16 },
    ]);
    // The runs begin with the same parameters: where the first step reads the same two rows, it has the same loss.
    const first = async (run: string) => {
      const log = await readFile(join(directory, 'whole', run, 'log.jsonl'), 'utf8');
      return (JSON.parse(log.slice(0, log.indexOf('\n'))) as { loss: number }).loss;
    };
    expect(await first(RUNS[2])).toBe(await first(RUNS[4]));
  });

  it('repeats nothing that is finished', async () => {
    const before = await finished('whole');
    expect(await search('whole', 1)).toBe(whole);
    expect(await finished('whole')).toEqual(before);
  });

  it.each([1, 2])(
    'killed with SIGKILL goes on, kill after kill, to the same bits, with %i processes',
    async (processes) => {
      const name = `killed-${processes}`;
      const draw = (index: number) => randomUint32(processes, streamOf('search kill'), index);
      let done = new Map<string, number>();
      for (let attempt = 0; attempt < 4; attempt++) {
        // Within a step, a checkpoint, a record, or between two runs, wherever the delay falls.
        const kill = { ticks: done.size + 2 + (draw(2 * attempt) % 9), delay: draw(2 * attempt + 1) % 20 };
        expect(await search(name, processes, kill)).toBeUndefined();
        const now = await finished(name);
        // What was finished has stayed as it was.
        for (const [run, time] of done) expect(now.get(run)).toBe(time);
        done = now;
      }
      // What a kill within the writing of a file would leave, in every run that has begun and has no record.
      const begun = new Set(await readdir(join(directory, name)));
      for (const run of RUNS.filter((run) => begun.has(run) && !done.has(run))) {
        for (const file of ['.log.jsonl.1-0a.tmp', '.record.json.1-0a.tmp']) {
          await writeFile(join(directory, name, run, file), '{');
        }
      }
      expect(await search(name, processes)).toBe(whole);
      const after = await finished(name);
      for (const [run, time] of done) expect(after.get(run)).toBe(time);
      // Of a run that was under way, no step is in the log twice, and none is missing.
      for (const [i, run] of RUNS.entries()) {
        const log = (await readFile(join(directory, name, run, 'log.jsonl'), 'utf8')).trimEnd().split('\n');
        expect(log.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
          Array.from({ length: STEPS[i] }, (_, step) => step + 1),
        );
      }
      expect((await readdir(join(directory, name), { recursive: true })).filter((file) => /tmp/.test(file))).toEqual(
        [],
      );
    },
    240_000,
  );
});
