// An LQS annotation with its iterates on disk: resident memory at its peak beside what lqsMemory predicts, and its time.
// DELT's own program asks for a GPU of 70-80 GB at the size of m160.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BackendOptions, MemoryEstimate } from 'gradfold';
import type { BenchOptions, BenchRow } from './types.ts';
import type { WORKLOADS } from './workloads.ts';

/** What annotate-worker.ts is to do. */
export interface AnnotationJob {
  workload: keyof typeof WORKLOADS;
  steps: number;
  stepRows: number;
  targetRows: number;
  proxyRows: number;
  microBatch: number;
  backend: BackendOptions;
}

/** What it prints. */
export interface AnnotationResult {
  seconds: number;
  /** Bytes resident at the peak, and before there was a model. */
  peak: number;
  interpreter: number;
  predicted: MemoryEstimate;
  targetLosses: number[];
}

const SIZES = { stepRows: 4, targetRows: 2, microBatch: 2 };

export async function run({ large, precision, backend }: BenchOptions): Promise<BenchRow[]> {
  const jobs: Pick<AnnotationJob, 'workload' | 'steps' | 'proxyRows'>[] = [
    { workload: 'tiny', steps: 4, proxyRows: 8 },
    { workload: 'tiny', steps: 16, proxyRows: 8 },
    ...(large ? [{ workload: 'm160', steps: 2, proxyRows: 4 } as const] : []),
  ];
  const rows: BenchRow[] = [];
  for (const job of jobs) {
    rows.push(...annotationRows(job, await measure({ ...SIZES, ...job, backend: { ...backend, precision } })));
  }
  return rows;
}

async function measure(job: AnnotationJob): Promise<AnnotationResult> {
  const worker = fileURLToPath(new URL('./annotate-worker.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [worker, JSON.stringify(job)]);
  return JSON.parse(stdout) as AnnotationResult;
}

function annotationRows(
  { workload, steps, proxyRows }: Pick<AnnotationJob, 'workload' | 'steps' | 'proxyRows'>,
  { seconds, peak, interpreter, predicted }: AnnotationResult,
): BenchRow[] {
  const { total, ...parts } = predicted;
  const name = `annotate ${workload}, T = ${steps}, ${proxyRows} proxies`;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  return [
    {
      name: `${name}, time`,
      value: seconds,
      unit: 's',
      note: `${SIZES.stepRows} rows a step, ${SIZES.microBatch} at once`,
    },
    { name: `${name}, peak memory`, value: peak / 1e6, unit: 'MB', note: `${megabytes(interpreter)} before the model` },
    {
      name: `${name}, peak memory, predicted`,
      value: (interpreter + total) / 1e6,
      unit: 'MB',
      note: Object.entries(parts)
        .map(([part, bytes]) => `${part} ${megabytes(bytes)}`)
        .join(', '),
    },
  ];
}
