import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../../backend/types.ts';
import { openSamples } from '../../data/samples.ts';
import { GradfoldError, type ErrorCode } from '../../errors.ts';
import { openRecipeBackend } from '../backend.ts';
import { JobData, runJob, type JobRecord, type JobSettings, type TrainingJob } from './training-job.ts';

/** Trains one job at a time. */
export interface JobWorker {
  run(job: TrainingJob, options: { signal?: AbortSignal; onStep: (step: number) => void }): Promise<JobRecord>;
  close(): Promise<void>;
}

/** Jobs in this process, on one backend. */
export class LocalWorker implements JobWorker {
  readonly #dir: string;
  readonly #data: JobData;
  readonly #backend: Backend;

  private constructor(dir: string, data: JobData, backend: Backend) {
    this.#dir = dir;
    this.#data = data;
    this.#backend = backend;
  }

  static async open(dir: string, settings: JobSettings): Promise<LocalWorker> {
    const data = new JobData(settings, await openSamples(settings.samples));
    return new LocalWorker(dir, data, await openRecipeBackend(settings.backend));
  }

  run(job: TrainingJob, options: { signal?: AbortSignal; onStep: (step: number) => void }): Promise<JobRecord> {
    return runJob(this.#dir, job, this.#data, { ...options, backend: this.#backend });
  }

  async close(): Promise<void> {
    this.#backend.dispose();
  }
}

/** What the parent of a worker process sends to it: once the settings, then jobs. */
export type ToWorker = { dir: string; settings: JobSettings } | { job: TrainingJob };
/** What comes back. */
export type FromWorker = { step: number } | { record: JobRecord } | { error: string; code: ErrorCode | null };

/** Jobs in a process of its own, which ends with this one however that ends. */
export class ProcessWorker implements JobWorker {
  readonly #child: ChildProcess;

  constructor(dir: string, settings: JobSettings) {
    this.#child = fork(fileURLToPath(new URL('job-process.js', import.meta.url)), { execArgv: [] });
    this.#send({ dir, settings });
  }

  run(
    job: TrainingJob,
    { signal, onStep }: { signal?: AbortSignal; onStep: (step: number) => void },
  ): Promise<JobRecord> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        child.off('message', onMessage).off('exit', onExit).off('error', onError);
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      const onMessage = (message: FromWorker) => {
        if ('step' in message) onStep(message.step);
        else if ('record' in message) settle(() => resolve(message.record));
        else settle(() => reject(errorOf(job, message)));
      };
      const onExit = (code: number | null, killer: string | null) =>
        settle(() => reject(new GradfoldError('IO', `training ${job.name}: its process ended (${killer ?? code})`)));
      const onError = (error: Error) => settle(() => reject(error));
      const onAbort = () => {
        child.kill();
        settle(() => reject(signal!.reason as Error));
      };
      child.on('message', onMessage).once('exit', onExit).once('error', onError);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#send({ job });
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    else this.#child.kill();
    await exit;
  }

  #send(message: ToWorker): void {
    this.#child.send(message);
  }
}

function errorOf(job: TrainingJob, { error, code }: { error: string; code: ErrorCode | null }): Error {
  const message = `training ${job.name}: ${error}`;
  return code === null ? new Error(message) : new GradfoldError(code, message);
}
