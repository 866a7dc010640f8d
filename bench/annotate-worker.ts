// Annotates a small proxy set in a process of its own and prints what it took. Argument: an AnnotationJob as JSON.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { annotateLqs, LanguageModel, lqsMemory, openBackend } from 'gradfold';
import type { AnnotationJob, AnnotationResult } from './annotate.ts';
import { WORKLOADS, zipfBatch } from './workloads.ts';

/** Bytes of a line of /proc/self/status. */
async function memory(line: string): Promise<number> {
  return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(await readFile('/proc/self/status', 'utf8'))![1]);
}

const job = JSON.parse(process.argv[2]) as AnnotationJob;
const { config, time } = WORKLOADS[job.workload];
const directory = await mkdtemp(join(tmpdir(), 'gradfold-annotate-'));
try {
  const backend = await openBackend('cpu', job.backend);
  const interpreter = await memory('VmRSS');
  const model = await LanguageModel.initialize(config, { backend, seed: 0 });
  const batches = (rows: number, count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => zipfBatch({ config, batch: rows, time }, seed + i));
  const start = performance.now();
  const { targetLosses } = await annotateLqs(model, {
    batches: batches(job.stepRows, job.steps, 0),
    target: batches(job.microBatch, job.targetRows / job.microBatch, 100),
    proxy: batches(job.microBatch, job.proxyRows / job.microBatch, 200),
    microBatch: job.microBatch,
    lr: 0.01,
    interval: 1,
    checkpointDir: directory,
  });
  const seconds = (performance.now() - start) / 1000;
  const shape = (batch: number) => ({ batch, time: time + 1 });
  const predicted = lqsMemory(model, {
    batch: shape(job.stepRows),
    target: shape(job.microBatch),
    proxy: shape(job.microBatch),
    microBatch: job.microBatch,
  });
  const result: AnnotationResult = {
    seconds,
    peak: await memory('VmHWM'),
    interpreter,
    predicted,
    targetLosses: [...targetLosses],
  };
  process.stdout.write(JSON.stringify(result));
} finally {
  await rm(directory, { recursive: true });
}
process.exit(0);
