// The rate of matrix products in both precisions: our own kernels beside oneDNN, where that is built in.
import { measureProduct, openBackend, type Backend } from 'gradfold';
import { GEMMS, openIfAvailable, precisionsOf } from './backends.ts';
import { Bandwidth } from './bandwidth.ts';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow, Precision } from './types.ts';

interface Shape {
  m: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
}

const forward = (m: number, n: number, k: number): Shape => ({ m, n, k, transposeA: false, transposeB: true });
const weightGradient = (m: number, n: number, k: number): Shape => ({ m, n, k, transposeA: true, transposeB: false });

/** The last two are the weight gradients of the second and the third. */
const SHAPES = [
  forward(2048, 2048, 2048),
  forward(2048, 3072, 768),
  forward(2048, 768, 3072),
  forward(4096, 704, 256),
  forward(512, 32000, 768),
  weightGradient(3072, 768, 2048),
  weightGradient(768, 3072, 2048),
];

export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const { repeats, backend } = options;
  const rows: BenchRow[] = [];
  const bandwidth = await Bandwidth.open({ threads: backend.threads, isa: backend.isa });
  try {
    for (const precision of await precisionsOf(options)) {
      const backends = await openAll(backend, precision);
      try {
        for (const shape of SHAPES) rows.push(...(await shapeRows(shape, precision, backends, repeats, bandwidth)));
      } finally {
        for (const opened of Object.values(backends)) opened.dispose();
      }
    }
    return rows;
  } finally {
    bandwidth.dispose();
  }
}

/** Every product of a precision that this build and this processor have, or the one asked for. */
async function openAll(options: BenchOptions['backend'], precision: Precision): Promise<Record<string, Backend>> {
  if (options.gemm) return { [options.gemm]: await openBackend('cpu', { ...options, precision }) };
  const opened: Record<string, Backend> = {};
  for (const gemm of GEMMS) {
    const backend = await openIfAvailable({ ...options, precision, gemm });
    if (backend) opened[gemm] = backend;
  }
  return opened;
}

async function shapeRows(
  shape: Shape,
  precision: Precision,
  backends: Record<string, Backend>,
  repeats: number,
  bandwidth: Bandwidth,
): Promise<BenchRow[]> {
  const { m, n, k, transposeA } = shape;
  const rates: Record<string, number[]> = {};
  const tasks: Record<string, () => Promise<unknown>> = {};
  for (const [gemm, backend] of Object.entries(backends)) {
    rates[gemm] = [];
    tasks[gemm] = async () => rates[gemm].push(await measureProduct(backend, shape));
  }
  const memory = bandwidth.best(await interleaved<string>(repeats, { ...tasks, ...bandwidth.tasks }));
  const best = Math.max(...Object.values(rates).flat());
  const bytes = (precision === 'bf16' ? 2 : 4) * (m * k + k * n + m * n);
  return Object.entries(rates).map(([gemm, measured]) => {
    const rate = Math.max(...measured);
    const traffic = (bytes * rate) / (2 * m * n * k);
    return {
      name: `product ${m} × ${n} × ${k}${transposeA ? ' (weight gradient)' : ''}, ${precision} ${gemm}`,
      value: rate / 1e9,
      unit: 'GFLOP/s',
      ceiling: best / 1e9,
      note: `${(bytes / 1e6).toFixed(1)} MB, ${percent(traffic / memory)} of memory bandwidth`,
    };
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}
