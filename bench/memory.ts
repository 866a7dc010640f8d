// What memory gives: the ceiling of order, weights and the traffic of products.
import { Bandwidth, MEMORY_PASSES } from './bandwidth.ts';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const WHAT = { copy: 'copy: y = x', add: 'add: y += a x', dot: 'dot: ⟨y, x⟩' };

export async function run({ repeats, backend: { threads, isa } }: BenchOptions): Promise<BenchRow[]> {
  const bandwidth = await Bandwidth.open({ threads, isa });
  try {
    const seconds = await interleaved(repeats, bandwidth.tasks);
    return MEMORY_PASSES.map((pass) => ({
      name: `memory, ${WHAT[pass]}`,
      value: bandwidth.rate(pass, seconds[pass]) / 1e9,
      unit: 'GB/s',
      ceiling: bandwidth.best(seconds) / 1e9,
    }));
  } finally {
    bandwidth.dispose();
  }
}
