// Ordering of scores: the compiled forms beside the TypeScript one, and all beside memory bandwidth.
import { Worker } from 'node:worker_threads';
import { argsort, foldOrder } from 'gradfold';
import { Bandwidth } from './bandwidth.ts';
import { interleaved } from './interleaved.ts';
import { normalScores } from './scores.ts';
import type { BenchOptions, BenchRow } from './types.ts';

/**
 * Memory traffic of sorting one float32 row in three passes: the scan for NaN 4; each pass reads keys and rows twice and
 * writes them once, the first reading and the last writing 4 bytes only: 16 + 24 + 20.
 */
const ARGSORT_BYTES = 64;
/** Reads a row's place and writes it elsewhere. */
const FOLD_BYTES = ARGSORT_BYTES + 8;

export async function run({ repeats, large }: BenchOptions): Promise<BenchRow[]> {
  const portable = new PortableFold();
  const bandwidth = await Bandwidth.open();
  try {
    const rows: BenchRow[] = [];
    const sizes = large ? [1e6, 1e7, 1e8] : [1e6, 1e7];
    for (const size of sizes) rows.push(...(await orderRows(size, repeats, portable, bandwidth)));
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
  await portable.prepare(size);
  const forms = {
    argsort: { bytes: ARGSORT_BYTES, run: async () => argsort(scores) },
    'argsort + fold': { bytes: FOLD_BYTES, run: async () => foldOrder(scores) },
    'argsort + fold, typescript': { bytes: FOLD_BYTES, run: () => portable.fold() },
  };
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
