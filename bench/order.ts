// Ordering of scores: the compiled forms beside the TypeScript one, and all beside memory bandwidth; memory a row.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { argsort, foldOrder, leastMemory } from 'gradfold';
import { Bandwidth } from './bandwidth.ts';
import { interleaved } from './interleaved.ts';
import { deviceRows } from './order-device.ts';
import { normalScores } from './scores.ts';
import type { BenchOptions, BenchRow } from './types.ts';

/**
 * Memory traffic of sorting one float32 row: its score is read twice, to be counted and to be collected; an entry of 8
 * bytes is written and read; the row is written. Folded or not, and whatever a bucket does in the caches.
 */
const NATIVE_BYTES = 4 + 4 + 8 + 8 + 4;
/** Three passes of 20 bytes each with their counts, and the folding. */
const PORTABLE_BYTES = 72;
/** Rows from which the TypeScript form is left out. */
const MANY = 1e8;

export async function run(options: BenchOptions): Promise<BenchRow[]> {
  if (options.device === 'cuda') return deviceRows(options);
  const { repeats, large, huge } = options;
  const portable = new PortableFold();
  const bandwidth = await Bandwidth.open();
  try {
    const rows: BenchRow[] = [];
    const sizes = large ? [1e6, 1e7, 5e7, MANY] : [1e6, 1e7];
    for (const size of sizes) rows.push(...(await orderRows(size, repeats, portable, bandwidth)));
    for (const size of huge ? [...sizes.slice(1), 1e9] : sizes.slice(1)) rows.push(...(await memoryRows(size)));
    return rows;
  } finally {
    bandwidth.dispose();
    await portable.close();
  }
}

async function orderRows(
  size: number,
  repeats: number,
  portable: PortableFold,
  bandwidth: Bandwidth,
): Promise<BenchRow[]> {
  const scores = normalScores(size);
  const memory = quarterOfMemory(size);
  const forms: Record<string, { bytes: number; run: () => Promise<unknown> }> = {
    argsort: { bytes: NATIVE_BYTES, run: async () => argsort(scores) },
    'argsort + fold': { bytes: NATIVE_BYTES, run: async () => foldOrder(scores) },
    'argsort + fold, a quarter of the memory': { bytes: NATIVE_BYTES, run: async () => foldOrder(scores, { memory }) },
  };
  if (size < MANY) {
    await portable.prepare(size);
    forms['argsort + fold, typescript'] = { bytes: PORTABLE_BYTES, run: () => portable.fold() };
  }
  const entries = Object.entries(forms);
  const tasks = Object.fromEntries(entries.map(([name, { run }]) => [name, run]));
  const seconds = await interleaved<string>(repeats, { ...tasks, ...bandwidth.tasks });
  const best = bandwidth.best(seconds);
  return entries.map(([name, { bytes }]) => ({
    name: `${name}, ${size.toExponential(0)} rows`,
    value: size / seconds[name] / 1e6,
    unit: 'M rows/s',
    ceiling: best / bytes / 1e6,
    note: `${seconds[name].toFixed(3)} s`,
  }));
}

/** A quarter of the 8 bytes a row that a sort takes for float32, or the least there may be. */
function quarterOfMemory(rows: number): number {
  return Math.max(2 * rows, leastMemory(rows));
}

/** Peak memory of processes that make scores and fold them once, over their rows: Node, scores and result included. */
async function memoryRows(size: number): Promise<BenchRow[]> {
  const program = fileURLToPath(new URL('./order-child.js', import.meta.url));
  const rows: BenchRow[] = [];
  for (const memory of size >= 1e9 ? [undefined] : [undefined, quarterOfMemory(size)]) {
    const limits = memory === undefined ? [] : [String(memory)];
    const { stdout } = await promisify(execFile)(process.execPath, [program, String(size), ...limits]);
    const { seconds, peakBytes } = JSON.parse(stdout) as { seconds: number; peakBytes: number };
    rows.push({
      name: `argsort + fold${memory === undefined ? '' : ', a quarter of the memory'}, peak memory, ${size.toExponential(0)} rows`,
      value: peakBytes / size,
      unit: 'bytes a row',
      note: `${seconds.toFixed(2)} s, once, fresh process`,
    });
  }
  return rows;
}

/** foldOrder in a worker that is told to do without the addon. */
class PortableFold {
  readonly #worker = new Worker(new URL('./order-worker.js', import.meta.url), {
    env: { ...process.env, GRADFOLD_NO_ADDON: '1' },
  });

  /** Makes the worker's scores. */
  prepare(size: number): Promise<void> {
    return this.#ask(size);
  }

  fold(): Promise<void> {
    return this.#ask('fold');
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: number | 'fold'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker.once('error', reject);
      this.#worker.once('message', () => {
        this.#worker.off('error', reject);
        resolve();
      });
      this.#worker.postMessage(request);
    });
  }
}
