import { LanguageModel, measureProduct, openBackend, type Backend, type Batch, type ParameterVector } from 'gradfold';
import { describeBackend } from './backends.ts';
import { interleaved } from './interleaved.ts';
import type { BenchOptions, BenchRow, Precision } from './types.ts';
import { stepFlops, WORKLOADS, zipfBatch, type Workload } from './workloads.ts';

/** A workload's model, a batch of it, and a vector that every pass may overwrite. */
export interface Subject {
  workload: Workload;
  /** Workload and precision, for the names of rows. */
  name: string;
  backend: Backend;
  model: LanguageModel;
  batch: Batch;
  gradient: ParameterVector;
}

/** The rows of `bench` for every workload of this run. */
export async function onWorkloads(
  options: BenchOptions,
  precision: Precision,
  bench: (subject: Subject) => Promise<BenchRow[]>,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const workload of options.large ? [WORKLOADS.tiny, WORKLOADS.m160] : [WORKLOADS.tiny]) {
    const backend = await openBackend('cpu', { ...options.backend, precision });
    try {
      const model = await LanguageModel.initialize(workload.config, { backend, seed: 0 });
      const gradient = model.vector();
      const name = `${workload.name} ${precision}`;
      rows.push(...(await bench({ workload, name, backend, model, batch: zipfBatch(workload), gradient })));
    } finally {
      backend.dispose();
    }
  }
  return rows;
}

/** Median seconds of tasks, with what they are set beside, from the same rounds. */
export interface Measured {
  seconds: Record<string, number>;
  /** Seconds of a plain forward-backward pass. */
  plain: number;
  /** The highest rate in FLOP/s among the products of the model's layers. */
  ceiling: number;
}

/** Measures passes of a subject in rounds with its plain forward-backward pass and the products of its layers. */
export async function measureBeside(
  { workload, backend, model, batch, gradient }: Subject,
  repeats: number,
  passes: Record<string, () => Promise<unknown>>,
): Promise<Measured> {
  const rates: number[] = [];
  const { plain, ...seconds }: Record<string, number> = await interleaved<string>(repeats, {
    products: async () => {
      for (const [m, n, k] of workload.products)
        rates.push(await measureProduct(backend, { m, n, k, transposeB: true }));
    },
    plain: () => model.gradient(batch, { into: gradient }),
    ...passes,
  });
  return { seconds, plain, ceiling: Math.max(...rates) };
}

/** The ceiling, and how near a plain pass comes to it. */
export function plainRows({ workload, name, backend, model }: Subject, { plain, ceiling }: Measured): BenchRow[] {
  return [
    { name: `${name} product ceiling`, value: ceiling / 1e9, unit: 'GFLOP/s', note: describeBackend(backend) },
    {
      name: `${name} forward-backward`,
      value: stepFlops(workload, model.parameterCount) / plain / 1e9,
      unit: 'GFLOP/s',
      ceiling: ceiling / 1e9,
      note: `${plain.toPrecision(3)} s`,
    },
  ];
}

/** Passes as multiples of the plain one; `floors` holds what arithmetic allows, where that is a number. */
export function multipleRows(
  { name }: Subject,
  { seconds, plain }: Measured,
  floors: Record<string, number | undefined>,
): BenchRow[] {
  return Object.entries(floors).map(([pass, floor]) => ({
    name: `${name} ${pass}`,
    value: seconds[pass] / plain,
    unit: '× forward-backward',
    floor,
  }));
}
