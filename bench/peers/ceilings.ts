import type { Workload } from '../workloads.ts';
import type { Sides } from './measure.ts';
import { Worker } from './process.ts';

/** Rates in FLOP/s and B/s, measured in the same minutes as the figures beside them. */
export interface Ceilings {
  ours: { f32: number; bf16: number };
  peer: { f32: number; bf16: number; add: number; dot: number };
}

/** The best rate of the workload's products on each side, and the memory bandwidth. */
export async function measureCeilings(
  { ours, peers, device, threads, gemm }: Sides,
  { products }: Workload,
): Promise<Ceilings> {
  const answers: number[][] = [];
  for (const side of [ours, peers]) {
    const { worker, prepared } = await Worker.start(side, { name: 'ceilings', device, threads, gemm, products });
    await worker.close();
    if ('unavailable' in prepared) throw new Error(`${side.name}: ${prepared.unavailable}`);
    answers.push(prepared.answer);
  }
  const [[ownF32, ownBf16], [f32, bf16, add, dot]] = answers;
  return { ours: { f32: ownF32, bf16: ownBf16 }, peer: { f32, bf16, add, dot } };
}
