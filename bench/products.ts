// The rate of matrix products: our portable kernel beside oneDNN, where that is built in.
import { availableBackends, measureProduct, openBackend } from 'gradfold';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const SHAPES: [m: number, n: number, k: number][] = [
  [2048, 2048, 2048],
  [2048, 3072, 768],
  [2048, 768, 3072],
  [4096, 704, 256],
  [512, 32000, 768],
];

export async function run({ repeats, backend }: BenchOptions): Promise<BenchRow[]> {
  const built = availableBackends().find(({ name }) => name === 'cpu')?.gemm ?? '';
  const libraries = (built.startsWith('oneDNN') ? ['onednn', 'portable'] : ['portable']) as ('onednn' | 'portable')[];
  const backends = await Promise.all(libraries.map((gemm) => openBackend('cpu', { ...backend, gemm })));
  try {
    const rows: BenchRow[] = [];
    for (const [m, n, k] of SHAPES) {
      const rates: number[][] = libraries.map(() => []);
      const tasks = libraries.map((gemm, i) => [
        gemm,
        async () => rates[i].push(await measureProduct(backends[i], { m, n, k, transposeB: true })),
      ]);
      await interleaved(repeats, Object.fromEntries(tasks) as Record<string, () => Promise<unknown>>);
      const best = rates.map((values) => Math.max(...values) / 1e9);
      libraries.forEach((gemm, i) => {
        rows.push({
          name: `product ${m} × ${n} × ${k}, ${gemm}`,
          value: best[i],
          unit: 'GFLOP/s',
          ceiling: Math.max(...best),
        });
      });
    }
    return rows;
  } finally {
    for (const opened of backends) opened.dispose();
  }
}
