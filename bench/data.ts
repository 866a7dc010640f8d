// Reading a random plan over shards from disk, set against what training takes. Every reading has a process of its own:
// pages that are mapped stay in the page cache, and peak memory is a process's.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GradfoldError, writeSamples, type Samples } from 'gradfold';
import type { Reading, ReadingRequest } from './data-reader.ts';
import { median } from './statistics.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const execute = promisify(execFile);

const ROW_TOKENS = 128;
const SHARDS = 8;
/** A step's rows, and the time between two batches: 4096 tokens in 20 ms are twenty times what tiny trains on two cores. */
const STEP = { stepRows: 32, stepMilliseconds: 20 };

/** The state of the page cache, and whether rows are announced. */
const READINGS = {
  'warm page cache': { cold: false, readAhead: false },
  'cold page cache': { cold: true, readAhead: false },
  'cold page cache, read-ahead': { cold: true, readAhead: true },
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
  const entries = Object.entries(READINGS).map(([name, how]) => ({ name, ...how, readings: [] as Reading[] }));
  for (let round = 0; round < repeats; round++) {
    for (const { cold, readAhead, readings } of entries) {
      await (cold ? dropFromCache(table) : bringIntoCache(table));
      readings.push(await read({ table, seed: round, readAhead, ...STEP }));
    }
  }
  const waits = entries.map(({ name, readings }): BenchRow => {
    const middle = (of: (reading: Reading) => number) => median(readings.map(of));
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
    const read = `${megabytes(middle((r) => r.bytesRead))} MB from disk for ${megabytes(middle((r) => r.bytesUsed))} MB of rows`;
    return {
      name: `step of 4096 tokens waits for data, ${name}`,
      value: middle((r) => r.medianWait),
      unit: 'ms',
      note: `95 of 100 at most ${middle((r) => r.longWait).toPrecision(3)} ms; ${read}`,
    };
  });
  const [{ readings }] = entries;
  const resident = (what: string, of: (reading: Reading) => number): BenchRow => ({
    name: `resident memory, ${what}`,
    value: median(readings.map(of)) / 1e6,
    unit: 'MB',
    note: `table of ${(readings[0].tableBytes / 1e6).toFixed(0)} MB`,
  });
  return [
    ...waits,
    resident('before the table is opened', (r) => r.residentBefore),
    resident('table opened', (r) => r.residentOpened),
    resident('after the steps, with what they touched of the page cache', (r) => r.residentRead),
  ];
}

async function read(request: ReadingRequest): Promise<Reading> {
  const reader = fileURLToPath(new URL('data-reader.js', import.meta.url));
  const { stdout } = await execute(process.execPath, [reader, JSON.stringify(request)]);
  return JSON.parse(stdout) as Reading;
}

/** Without root: GNU dd asks the system to forget a file's pages, once they are on disk. */
async function dropFromCache(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const flags = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
    await execute('dd', ['if=/dev/null', `of=${join(folder, name)}`, ...flags]).catch((cause: unknown) => {
      throw new GradfoldError('UNAVAILABLE', 'data: expected GNU dd, to empty the page cache; install coreutils', {
        cause,
      });
    });
  }
}

async function bringIntoCache(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await readFile(join(folder, name));
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
