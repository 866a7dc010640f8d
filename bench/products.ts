// The rate of matrix products in both precisions: our own kernels beside oneDNN, where that is built in.
import { measureProduct, openBackend, type Backend } from 'gradfold';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow } from './types.ts';

/** c [m × n] = a b with inner dimension k; the last two are the weight gradients of the second and the third. */
const SHAPES: [m: number, n: number, k: number, transposeA: boolean, transposeB: boolean][] = [
  [2048, 2048, 2048, false, true],
  [2048, 3072, 768, false, true],
  [2048, 768, 3072, false, true],
  [4096, 704, 256, false, true],
  [512, 32000, 768, false, true],
  [3072, 768, 2048, true, false],
  [768, 3072, 2048, true, false],
];

/** Every product of a precision that this build and this processor have. */
async function openAll(options: BenchOptions['backend'], precision: 'f32' | 'bf16'): Promise<[string, Backend][]> {
  const opened: [string, Backend][] = [];
  for (const gemm of ['amx', 'onednn', 'portable'] as const) {
    try {
      opened.push([`${precision} ${gemm}`, await openBackend('cpu', { ...options, precision, gemm })]);
    } catch {
      continue; // not available here, as the backend's own message says when it is asked for by name
    }
  }
  return opened;
}

export async function run({ repeats, backend }: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const precision of ['f32', 'bf16'] as const) {
    const backends = await openAll(backend, precision);
    try {
      for (const [m, n, k, transposeA, transposeB] of SHAPES) {
        const rates: number[][] = backends.map(() => []);
        const tasks = backends.map(([name, opened], i) => [
          name,
          async () => rates[i].push(await measureProduct(opened, { m, n, k, transposeA, transposeB })),
        ]);
        await interleaved(repeats, Object.fromEntries(tasks) as Record<string, () => Promise<unknown>>);
        const best = rates.map((values) => Math.max(...values) / 1e9);
        const shape = `product ${m} × ${n} × ${k}${transposeA ? ' (weight gradient)' : ''}`;
        backends.forEach(([name], i) => {
          rows.push({ name: `${shape}, ${name}`, value: best[i], unit: 'GFLOP/s', ceiling: Math.max(...best) });
        });
      }
    } finally {
      for (const [, opened] of backends) opened.dispose();
    }
  }
  return rows;
}
