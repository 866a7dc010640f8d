// A training step, its parts and the per-sample passes, with the measured product rate of the same run beside them.
import {
  createOptimizer,
  LanguageModel,
  measureProduct,
  openBackend,
  type Backend,
  type BackendOptions,
} from 'gradfold';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { stepFlops, WORKLOADS, zipfBatch, type Workload } from './workloads.ts';

export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const workload of options.large ? [WORKLOADS.tiny, WORKLOADS.m160] : [WORKLOADS.tiny]) {
    rows.push(...(await benchWorkload(workload, options)));
  }
  return rows;
}

async function benchWorkload(workload: Workload, options: BenchOptions): Promise<BenchRow[]> {
  const backend = await openBackend('cpu', options.backend as BackendOptions);
  try {
    const model = await LanguageModel.initialize(workload.config, { backend, seed: 0 });
    const optimizer = createOptimizer(model, {
      kind: 'adamw',
      lr: 3e-4,
      betas: [0.9, 0.95],
      eps: 1e-8,
      weightDecay: 0.1,
    });
    const batch = zipfBatch(workload);
    const gradient = model.vector();
    const [u, v] = [model.parameters.copy(), model.parameters.copy()];
    const weights = new Float64Array(batch.batch).fill(1 / batch.batch);
    const ceilings = workload.products.map(
      ([m, n, k]) =>
        () =>
          measureProduct(backend, { m, n, k, transposeB: true }),
    );
    const rates: number[] = [];
    const seconds: Record<string, number> = await interleaved(options.repeats, {
      product: async () => {
        for (const ceiling of ceilings) rates.push(await ceiling());
      },
      loss: () => model.loss(batch),
      'forward-backward': () => model.gradient(batch, { into: gradient }),
      'training step': async () => {
        await model.gradient(batch, { into: gradient });
        await optimizer.step(gradient);
      },
      'norms + 2 dots + weighted gradient': () =>
        model.perSample(batch, { norms: true, dots: [u, v], weights, into: gradient }),
      'Hessian-vector product + JVP': () => model.hvp(batch, v),
    });
    const tokens = workload.batch * workload.time;
    const plain = seconds['forward-backward'];
    const best = Math.max(...rates);
    const rate = stepFlops(workload, model.parameterCount) / seconds['training step'];
    const named = (name: string) => `${workload.name} ${name}`;
    return [
      { name: named('product ceiling'), value: best / 1e9, unit: 'GFLOP/s', note: describe(backend) },
      { name: named('training step'), value: tokens / seconds['training step'], unit: 'tokens/s' },
      { name: named('training step, products'), value: rate / 1e9, unit: 'GFLOP/s', ceiling: best / 1e9 },
      ...['loss', 'norms + 2 dots + weighted gradient', 'Hessian-vector product + JVP'].map((name) => ({
        name: named(name),
        value: seconds[name] / plain,
        unit: '× forward-backward',
      })),
    ];
  } finally {
    backend.dispose();
  }
}

function describe({ info }: Backend): string {
  return `${info.gemm}, ${info.isa}, ${info.threads} threads`;
}
