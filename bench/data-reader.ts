// Reads batches of a random plan; its argument is a ReadingRequest, its output a Reading.
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
  /** Tokens over the time in which they were waited for. */
  tokensPerSecond: number;
  /** Milliseconds. */
  medianWait: number;
  longestWait: number;
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

const waits: number[] = [];
let tokens = 0;
for (let step = 0; step < STEPS; step++) {
  const start = performance.now();
  if (request.readAhead) samples.prefetch?.(rowsOf(step + AHEAD));
  const { inputIds } = collate(Array.from(rowsOf(step), (row) => ({ inputIds: samples.tokens(row) })));
  const wait = performance.now() - start;
  if (step >= FIRST_STEPS) {
    waits.push(wait);
    tokens += inputIds.length;
  }
  if (request.stepMilliseconds > 0) await new Promise((resolve) => setTimeout(resolve, request.stepMilliseconds));
}
const reading: Reading = {
  tokensPerSecond: (1000 * tokens) / waits.reduce((sum, wait) => sum + wait, 0),
  medianWait: median(waits),
  longestWait: Math.max(...waits),
  tableBytes: samples.count * samples.length * BYTES_PER_TOKEN,
  residentBefore,
  residentOpened,
  residentRead: process.memoryUsage.rss(),
};
process.stdout.write(JSON.stringify(reading));
