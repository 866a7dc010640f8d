// Reading a random plan over shards from disk, set against what training takes. Every reading has a process of its own:
// pages that are mapped stay in the page cache, and peak memory is a process's.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GradfoldError, writeSamples, type Samples } from 'gradfold';
import type { Reading, ReadingRequest } from './data-reader.ts';
import { median } from './statistics.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const run_ = promisify(execFile);

const ROW_TOKENS = 128;
const SHARDS = 8;
/** A step's rows, and its time where there is one: 4096 tokens in 20 ms are twenty times what tiny trains on two cores. */
const STEP = { rows: 32, milliseconds: 20 };

/** What is measured: the state of the page cache, whether rows are announced, and the time between two batches. */
const READINGS: Record<string, Pick<ReadingRequest, 'readAhead' | 'stepMilliseconds'> & { cold: boolean }> = {
  'warm page cache': { cold: false, readAhead: false, stepMilliseconds: 0 },
  'cold page cache': { cold: true, readAhead: false, stepMilliseconds: 0 },
  'cold page cache, steps': { cold: true, readAhead: false, stepMilliseconds: STEP.milliseconds },
  'cold page cache, steps, read-ahead': { cold: true, readAhead: true, stepMilliseconds: STEP.milliseconds },
};

export async function run({ repeats, large }: BenchOptions): Promise<BenchRow[]> {
  const build = fileURLToPath(new URL('..', import.meta.url)); // on disk, where temporary files may be in memory
  await mkdir(build, { recursive: true });
  const folder = await mkdtemp(join(build, 'bench-data-'));
  try {
    const table = join(folder, 'samples');
    const rows = SHARDS * (large ? 2 ** 19 : 2 ** 16);
    await writeSamples(table, syntheticSamples(rows), { shardRows: rows / SHARDS });
    return await measured(table, repeats);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measured(table: string, repeats: number): Promise<BenchRow[]> {
  const readings = Object.fromEntries(Object.keys(READINGS).map((name) => [name, [] as Reading[]]));
  for (let round = 0; round < repeats; round++) {
    for (const [name, { cold, ...request }] of Object.entries(READINGS)) {
      if (cold) await dropFromCache(table);
      readings[name].push(await read({ table, seed: round, stepRows: STEP.rows, ...request }));
    }
  }
  const middle = (name: string, of: (reading: Reading) => number) => median(readings[name].map(of));
  const rows = Object.keys(READINGS).flatMap((name): BenchRow[] => {
    const waits = `a step waits ${middle(name, (r) => r.medianWait).toPrecision(2)} ms, at worst ${middle(name, (r) => r.longestWait).toPrecision(2)} ms`;
    return [
      {
        name: `random plan, ${name}`,
        value: middle(name, (r) => r.tokensPerSecond) / 1e6,
        unit: 'M tokens/s of waiting',
        note: waits,
      },
    ];
  });
  const [warm] = Object.keys(READINGS);
  const { tableBytes } = readings[warm][0];
  const megabytes = (what: string, of: (reading: Reading) => number): BenchRow => ({
    name: `resident memory, ${what}`,
    value: middle(warm, of) / 2 ** 20,
    unit: 'MB',
    note: `table of ${(tableBytes / 2 ** 20).toFixed(0)} MB`,
  });
  return [
    ...rows,
    megabytes('before the table is opened', (r) => r.residentBefore),
    megabytes('table opened', (r) => r.residentOpened),
    megabytes('after the reading, page cache in it', (r) => r.residentRead),
  ];
}

async function read(request: ReadingRequest): Promise<Reading> {
  const reader = fileURLToPath(new URL('data-reader.js', import.meta.url));
  const { stdout } = await run_(process.execPath, [reader, JSON.stringify(request)]);
  return JSON.parse(stdout) as Reading;
}

/** Without root: GNU dd asks the system to forget a file's pages, once they are on disk. */
async function dropFromCache(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const flags = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
    await run_('dd', ['if=/dev/null', `of=${join(folder, name)}`, ...flags]).catch((cause: unknown) => {
      throw new GradfoldError('UNAVAILABLE', 'data: expected GNU dd, to empty the page cache; install coreutils', {
        cause,
      });
    });
  }
}

function syntheticSamples(count: number): Samples {
  const tokens = Int32Array.from({ length: ROW_TOKENS }, (_, t) => t);
  return {
    count,
    length: ROW_TOKENS,
    tokens: (i) => tokens.fill(i & 4095, 0, 1),
    document: (i) => i,
    domain: () => 'default',
    split: () => 'train',
    rows: () => Uint32Array.from({ length: count }, (_, i) => i),
  };
}
