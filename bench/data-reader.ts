// Reads batches of a random plan; its argument is a ReadingRequest, its output a Reading.
import { readFile } from 'node:fs/promises';
import { collate, openSamples, shuffleOrder } from 'gradfold';
import { median } from './statistics.ts';

export interface ReadingRequest {
  /** The folder of shards. */
  table: string;
  seed: number;
  stepRows: number;
  /** Announce the rows of later steps, as training does. */
  readAhead: boolean;
  /** Time between two batches, in which training would compute. */
  stepMilliseconds: number;
}

export interface Reading {
  /** Milliseconds that a step waits for its batch: in the middle, and below which 95 of 100 stay. */
  medianWait: number;
  longWait: number;
  /** Read from disk, and wanted. */
  bytesRead: number;
  bytesUsed: number;
  tableBytes: number;
  residentBefore: number;
  residentOpened: number;
  residentRead: number;
}

const STEPS = 100;
/** Steps in which code is compiled; they are not counted. */
const FIRST_STEPS = 10;
const AHEAD = 4;
const BYTES_PER_TOKEN = 4;

const request = JSON.parse(process.argv[2]) as ReadingRequest;
const residentBefore = process.memoryUsage.rss();
const samples = await openSamples(request.table);
const residentOpened = process.memoryUsage.rss();
const order = shuffleOrder(samples.count, request.seed);
const rowsOf = (step: number) => order.subarray(step * request.stepRows, (step + 1) * request.stepRows);

/** What this process had read from disk so far; Linux says. */
async function readFromDisk(): Promise<number> {
  const counters = await readFile('/proc/self/io', 'utf8').catch(() => '');
  return Number(/^read_bytes: (\d+)$/m.exec(counters)?.[1] ?? NaN);
}

const waits: number[] = [];
const before = await readFromDisk();
let tokens = 0;
if (request.readAhead) for (let step = 0; step < AHEAD; step++) samples.prefetch?.(rowsOf(step));
for (let step = 0; step < STEPS; step++) {
  const start = performance.now();
  if (request.readAhead) samples.prefetch?.(rowsOf(step + AHEAD));
  const { inputIds } = collate(Array.from(rowsOf(step), (row) => ({ inputIds: samples.tokens(row) })));
  if (step >= FIRST_STEPS) waits.push(performance.now() - start);
  tokens += inputIds.length;
  await new Promise((resolve) => setTimeout(resolve, request.stepMilliseconds));
}
waits.sort((a, b) => a - b);
const reading: Reading = {
  medianWait: median(waits),
  longWait: waits[Math.floor(0.95 * waits.length)],
  bytesRead: (await readFromDisk()) - before,
  bytesUsed: BYTES_PER_TOKEN * tokens,
  tableBytes: BYTES_PER_TOKEN * samples.count * samples.length,
  residentBefore,
  residentOpened,
  residentRead: process.memoryUsage.rss(),
};
process.stdout.write(JSON.stringify(reading));
