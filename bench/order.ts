// Ordering of scores: the compiled form beside the TypeScript one, and both beside memory bandwidth.
import { Worker } from 'node:worker_threads';
import { foldOrder } from 'gradfold';
import { copyBandwidth, copyTask } from './copy.ts';
import { interleaved } from './interleaved.ts';
import { normalScores } from './scores.ts';
import type { BenchOptions, BenchRow } from './types.ts';

/**
 * Memory traffic of sorting and folding one float32 row in three passes: the scan for NaN 4; each pass reads keys and
 * rows twice and writes them once, the first reading and the last writing 4 bytes only: 16 + 24 + 20; folding 8.
 */
const FOLD_BYTES = 72;
export async function run({ repeats, large }: BenchOptions): Promise<BenchRow[]> {
  const portable = new PortableFold();
  try {
    const rows: BenchRow[] = [];
    const sizes = large ? [1e6, 1e7, 5e7] : [1e6, 1e7];
    for (const size of sizes) rows.push(...(await foldRows(size, repeats, portable)));
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
