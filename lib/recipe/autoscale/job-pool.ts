import { availableParallelism } from 'node:os';
import { openSamples } from '../../data/samples.ts';
import type { RunEvent } from '../stage.ts';
import { LocalWorker, ProcessWorker, type JobWorker } from './job-worker.ts';
import { finishedRecord, JobData, tidy, type JobRecord, type JobSettings, type TrainingJob } from './training-job.ts';

export interface PoolOptions {
  /** The folder that the jobs' folders lie in. */
  dir: string;
  settings: JobSettings;
  /** Trainings at the same time, each in a process of its own; 1: one after the other, in this process. */
  processes: number;
  /** What the progress of these jobs is called. */
  title: string;
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

/**
 * Trains jobs, those that are finished excepted: what a killed call has left is taken up, run by run and within a run.
 * @returns a record a job, in the order of the jobs
 * @throws the first error of a job, when the others have been stopped; the signal's reason when aborted
 */
export async function runJobs(jobs: readonly TrainingJob[], options: PoolOptions): Promise<JobRecord[]> {
  const { dir, settings, title, onEvent = () => undefined } = options;
  const data = new JobData(settings, await openSamples(settings.samples));
  const count = jobs.length;
  const records = await Promise.all(jobs.map((job) => finishedRecord(dir, job, data.hash(job))));
  for (const [index, record] of records.entries()) {
    if (!record) continue;
    await tidy(dir, jobs[index], settings); // a kill may have come just before
    onEvent(finish(jobs[index], index, count, record, true));
  }

  const steps = jobs.map((job, i) => (records[i] ? 0 : data.stepsOf(job)));
  const total = steps.reduce((sum, x) => sum + x, 0);
  const done = new Float64Array(count);
  const report = () =>
    onEvent({ kind: 'progress', stage: title, done: done.reduce((sum, x) => sum + x, 0), total, unit: 'steps' });

  const waiting = jobs.map((_, i) => i).filter((i) => !records[i]);
  await work(waiting, options, async (worker, index, signal) => {
    const job = jobs[index];
    const record = await worker.run(job, {
      signal,
      onStep: (step) => {
        done[index] = step;
        report();
      },
    });
    records[index] = record;
    onEvent(finish(job, index, count, record, false));
  });
  return records as JobRecord[];
}

/** Gives the waiting jobs to workers as these become free; the first failure stops all. */
async function work(
  waiting: number[],
  { dir, settings, processes, signal }: PoolOptions,
  run: (worker: JobWorker, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const size = Math.min(processes, waiting.length);
  if (size === 0) return;
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const workers = await openWorkers(size, processes, dir, settings);
  const queue = waiting.values();
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (const index of queue) {
          stop.throwIfAborted();
          await run(worker, index, stop);
        }
      }),
    );
  } catch (error) {
    failed.abort(error);
    throw error;
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
}

async function openWorkers(size: number, processes: number, dir: string, settings: JobSettings): Promise<JobWorker[]> {
  if (processes === 1) return [await LocalWorker.open(dir, settings)];
  const threads = settings.backend.threads || Math.max(1, Math.floor(availableParallelism() / processes));
  const shared = { ...settings, backend: { ...settings.backend, threads } };
  return Array.from({ length: size }, () => new ProcessWorker(dir, shared));
}

function finish(job: TrainingJob, index: number, count: number, record: JobRecord, skipped: boolean): RunEvent {
  const { steps, tokens, seconds } = record;
  return { kind: 'finish', stage: `train ${job.name}`, index, count, seconds, skipped, facts: { steps, tokens } };
}
