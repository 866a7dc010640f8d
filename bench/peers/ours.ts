// The worker of our side: see protocol.ts.
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  collate,
  createOptimizer,
  foldOrder,
  foldOrderAsync,
  GradfoldError,
  LanguageModel,
  measureOrder,
  measureProduct,
  metaGradient,
  openBackend,
  softmaxWeights,
  VectorPool,
  type Batch,
  type OptimizerConfig,
  type OptimizerState,
} from 'gradfold';
import type { Job, Prepared, Repetition } from './protocol.ts';

/** What a job computed, and the seconds it took where these are not those of the whole run. */
interface Timed {
  answer: number[];
  seconds: number;
}

type Run = () => Promise<number[] | Timed>;

const JOBS: Record<string, (job: Job) => Promise<Run>> = {
  'forward-backward': async (job) => {
    const { model, batch } = await load(job);
    const into = model.vector();
    return async () => [mean((await model.gradient(batch, { into })).perSample)];
  },
  'step-f32': (job) => trainingStep(job, 'f32'),
  'step-bf16': (job) => trainingStep(job, 'bf16'),
  'per-sample': async (job) => {
    const { model, batch } = await load(job);
    const into = model.vector();
    const dots = [model.parameters.copy(), model.parameters.copy()];
    return async () => {
      const result = await model.perSample(batch, { norms: true, dots, into });
      return [...result.norms!, ...result.dots![0]];
    };
  },
  hvp: async (job) => {
    const { model, batch } = await load(job);
    const v = model.parameters.copy();
    return async () => {
      const { hvp, jvp } = await model.hvp(batch, v);
      const curvature = hvp.dot(v);
      hvp.dispose();
      return [curvature, ...jvp];
    };
  },
  'meta-sgd': (job) => metaStep(job, { kind: 'sgd', lr: 0.1 }),
  'meta-adamw': (job) => metaStep(job, { kind: 'adamw', lr: 1e-3, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1 }),
  fold: async (job) => {
    const scores = readScores(job);
    return async () => sampled(foldOrder(scores));
  },
  'fold-device': async (job) => {
    const scores = readScores(job);
    const backend = await openBackend(job.device);
    return async () => {
      const { order, sort } = await measureOrder(backend, scores);
      return { answer: sampled(order), seconds: sort };
    };
  },
  'fold-there-and-back': async (job) => {
    const scores = readScores(job);
    const backend = await openBackend(job.device);
    return async () => sampled(await foldOrderAsync(scores, { backend }));
  },
  softmax: async (job) => {
    const scores = readScores(job);
    return async () => sampled(softmaxWeights(scores));
  },
  ceilings:
    async ({ threads, device, gemm, products = [] }) =>
    async () => {
      const best: number[] = [];
      for (const precision of ['f32', 'bf16'] as const) {
        const backend = await openBackend(device, { threads, precision, gemm: precision === 'f32' ? gemm : undefined });
        const rates: number[] = [];
        for (const [m, n, k] of products) rates.push(await measureProduct(backend, { m, n, k, transposeB: true }));
        best.push(Math.max(...rates));
        backend.dispose();
      }
      return best;
    },
};

async function trainingStep(job: Job, precision: 'f32' | 'bf16'): Promise<Run> {
  const { model, batch } = await load(job, precision);
  const optimizer = createOptimizer(model, { kind: 'adamw', lr: 3e-4, betas: [0.9, 0.95], weightDecay: 0.1 });
  const into = model.vector();
  return async () => {
    const { perSample } = await model.gradient(batch, { into });
    await optimizer.step(into);
    return [mean(perSample)];
  };
}

/** Score gradients of all inner rows; AdamW's state is m = θ / 100, v = 1e-6 after ten updates, as in meta.py. */
async function metaStep(job: Job, optimizer: OptimizerConfig): Promise<Run> {
  const { model, batch: outer } = await load(job);
  const batches = job.inner!.map(batchOf);
  const scores = batches.map(({ batch }, t) => Float64Array.from({ length: batch }, (_, i) => Math.sin(5 * t + 2 * i)));
  const workspace = new VectorPool(model);
  let state: OptimizerState | undefined;
  if (optimizer.kind === 'adamw') {
    state = { step: 10, m: model.parameters.copy(), v: model.vector() };
    state.m.scale(0.01);
    state.v.fill(1e-6);
  }
  return async () => {
    const options = { batches, scores, outer, optimizer, state, workspace };
    const { scoreGradients, final } = await metaGradient(model, options);
    workspace.give(final);
    return scoreGradients.flatMap((derivatives) => [...derivatives]);
  };
}

async function load(job: Job, precision: 'f32' | 'bf16' = 'f32') {
  const { model: directory, ids, threads, device, recompute } = job;
  const gemm = precision === 'f32' ? job.gemm : undefined;
  const backend = await openBackend(device, { threads, precision, recompute, gemm });
  const model = await LanguageModel.fromPretrained(directory!, { backend });
  return { model, batch: batchOf(ids!) };
}

function batchOf(ids: number[][]): Batch {
  return collate(ids.map((inputIds) => ({ inputIds })));
}

/** By parts, since one read takes less than 2 GiB. */
function readScores({ scores: path }: Job): Float32Array {
  const bytes = new Uint8Array(statSync(path!).size);
  const file = openSync(path!, 'r');
  for (let at = 0; at < bytes.length;) at += readSync(file, bytes, at, Math.min(2 ** 30, bytes.length - at), null);
  closeSync(file);
  return new Float32Array(bytes.buffer);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** Eight values at even distances, as order.py takes them. */
function sampled(values: ArrayLike<number>): number[] {
  const step = Math.floor(values.length / 8);
  return Array.from({ length: 8 }, (_, i) => values[i * step]);
}

function peakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

function reply(message: Prepared | Repetition): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

let run: Run | undefined;
let onDevice = false;
for await (const line of createInterface({ input: process.stdin })) {
  if (run) {
    const start = performance.now();
    const result = await run();
    const seconds = 'seconds' in result ? result.seconds : (performance.now() - start) / 1000;
    reply({ seconds, peakBytes: onDevice ? 0 : peakBytes() });
    continue;
  }
  const job = JSON.parse(line) as Job;
  onDevice = job.device !== 'cpu';
  try {
    run = await JOBS[job.name](job);
    const result = await run();
    reply({ answer: 'answer' in result ? result.answer : result });
  } catch (error) {
    if (!(error instanceof GradfoldError && ['UNSUPPORTED', 'UNAVAILABLE'].includes(error.code))) throw error;
    reply({ unavailable: error.message });
    break;
  }
}
