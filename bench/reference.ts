// The native engine beside the backend in plain TypeScript, which derives every result in another way and in float64: how
// much faster, and how far apart the results are. Results that differ by more than rounding end the run.
import { LanguageModel, openBackend, type Backend, type LlamaConfig, type ParameterVector } from 'gradfold';
import { interleaved } from './interleaved.ts';
import { relativeDifference } from './statistics.ts';
import type { BenchOptions, BenchRow, Precision } from './types.ts';
import { decoder, zipfBatch } from './workloads.ts';

const CONFIG: LlamaConfig = decoder({ vocabulary: 256, hidden: 32, layers: 2, heads: 2, ff: 88 });
const BATCH = zipfBatch({ config: CONFIG, batch: 4, time: 32 });

/** Of results beside the largest of their kind; see relativeDifference. bfloat16 keeps 8 bits. */
const MOST_DIFFERENCE: Record<Precision, number> = { f32: 1e-5, bf16: 3e-2 };

/** Each kind of numbers has a size of its own and is compared by itself. */
type Results = Record<string, ArrayLike<number>>;

/** Runs once and says how to read what came out, which is not part of the time taken. */
type Operation = () => Promise<() => Results>;

export async function run({ repeats, precision = 'f32', backend }: BenchOptions): Promise<BenchRow[]> {
  const opened: Backend[] = [];
  try {
    opened.push(await openBackend('cpu', { ...backend, precision }), await openBackend('reference'));
    const [native, reference] = await Promise.all(opened.map(operationsOn));
    const rows: BenchRow[] = [];
    for (const operation of Object.keys(native)) {
      const name = `toy ${precision} ${operation}`;
      const read: (() => Results)[] = [];
      const seconds = await interleaved(repeats, {
        native: async () => (read[0] = await native[operation]()),
        reference: async () => (read[1] = await reference[operation]()),
      });
      const difference = largestDifference(name, read[0](), read[1](), MOST_DIFFERENCE[precision]);
      rows.push({
        name,
        value: seconds.reference / seconds.native,
        unit: '× as fast as the reference backend',
        note: `${(1e3 * seconds.native).toPrecision(3)} ms; results differ by ${difference.toExponential(1)}`,
      });
    }
    return rows;
  } finally {
    for (const backend of opened) backend.dispose();
  }
}

async function operationsOn(backend: Backend): Promise<Record<string, Operation>> {
  const model = await LanguageModel.initialize(CONFIG, { backend, seed: 0 });
  const [into, v] = [model.vector(), model.parameters.copy()];
  return {
    loss: async () => {
      const { perSample } = await model.loss(BATCH);
      return () => ({ losses: perSample });
    },
    gradient: async () => {
      const { perSample, gradient } = await model.gradient(BATCH, { into });
      return () => ({ losses: perSample, gradient: numbersOf(gradient) });
    },
    'norms + dot + Gram + sketch': async () => {
      const request = { norms: true, dots: [v], gram: true, sketch: { dimensions: 64, seed: 0 } };
      const { norms, dots, gram, sketch } = await model.perSample(BATCH, request);
      return () => ({ norms: norms!, dots: dots![0], gram: gram!, sketch: sketch! });
    },
    'Hessian-vector product + JVP': async () => {
      const { jvp, hvp } = await model.hvp(BATCH, v);
      return () => ({ jvp, hvp: numbersOf(hvp) });
    },
  };
}

function numbersOf(vector: ParameterVector): number[] {
  return Object.values(vector.toRecord()).flatMap((tensor) => [...tensor]);
}

function largestDifference(name: string, native: Results, reference: Results, most: number): number {
  let largest = 0;
  for (const kind of Object.keys(reference)) {
    const [ours, theirs] = [native[kind], reference[kind]];
    const difference = ours.length === theirs.length ? relativeDifference(ours, theirs) : Infinity;
    if (!(difference <= most)) {
      throw new Error(
        `${name}: ${kind}: expected the reference backend's to ${most}, got ${difference.toExponential(1)}`,
      );
    }
    largest = Math.max(largest, difference);
  }
  return largest;
}
