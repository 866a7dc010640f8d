// Ordering and weighting of scores: the compiled form beside the TypeScript one, and both beside memory bandwidth.
import { Worker } from 'node:worker_threads';
import { foldOrder, softmaxWeights } from 'gradfold';
import { interleaved } from './interleaved.ts';
import { normalScores } from './order-scores.ts';
import type { BenchOptions, BenchRow } from './types.ts';

/**
 * Memory traffic of sorting and folding one float32 row in three passes: the scan for NaN 4; each pass reads keys and
 * rows twice and writes them once, the first reading and the last writing 4 bytes only: 16 + 24 + 20; folding 8.
 */
const FOLD_BYTES = 72;
/** Of softmaxWeights for one float32 row, as little as it can be: read 4, write 8. */
const SOFTMAX_BYTES = 12;
const SOFTMAX_ROWS = 1e7;
const COPY_ROWS = 16 << 20;

export async function run({ repeats, large }: BenchOptions): Promise<BenchRow[]> {
  const portable = new PortableFold();
  try {
    const rows: BenchRow[] = [];
    const sizes = large ? [1e6, 1e7, 5e7] : [1e6, 1e7];
    for (const size of sizes) rows.push(...(await foldRows(size, repeats, portable)));
    rows.push(...(await softmaxRows(repeats)));
    return rows;
  } finally {
    await portable.close();
  }
}

async function foldRows(size: number, repeats: number, portable: PortableFold): Promise<BenchRow[]> {
  const scores = normalScores(size);
  await portable.prepare(size);
  const seconds = await interleaved(repeats, {
    native: async () => foldOrder(scores),
    typescript: () => portable.fold(),
    copy: copyTask(),
  });
  const bandwidth = copyBandwidth(seconds.copy);
  return (['native', 'typescript'] as const).map((form) => ({
    name: `argsort + fold, ${size.toExponential(0)} rows, ${form}`,
    value: size / seconds[form] / 1e6,
    unit: 'M rows/s',
    ceiling: bandwidth / FOLD_BYTES / 1e6,
    note: `${seconds[form].toFixed(3)} s`,
  }));
}

async function softmaxRows(repeats: number): Promise<BenchRow[]> {
  const scores = normalScores(SOFTMAX_ROWS);
  const seconds = await interleaved(repeats, { softmax: async () => softmaxWeights(scores), copy: copyTask() });
  return [
    {
      name: `softmaxWeights, ${SOFTMAX_ROWS.toExponential(0)} rows`,
      value: (SOFTMAX_ROWS * SOFTMAX_BYTES) / seconds.softmax / 1e9,
      unit: 'GB/s',
      ceiling: copyBandwidth(seconds.copy) / 1e9,
      note: `${seconds.softmax.toFixed(3)} s`,
    },
  ];
}

/** A copy far larger than the caches: what one thread gets out of memory. */
function copyTask(): () => Promise<void> {
  const from = new Float64Array(COPY_ROWS).fill(1);
  const to = new Float64Array(COPY_ROWS);
  return async () => to.set(from);
}

/** Bytes read and written per second. */
function copyBandwidth(seconds: number): number {
  return (2 * 8 * COPY_ROWS) / seconds;
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
