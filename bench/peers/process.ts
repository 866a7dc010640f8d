import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Job, Prepared, Repetition } from './protocol.ts';

/** The program of one side. */
export interface Side {
  name: string;
  command: string;
  arguments: string[];
}

/**
 * Both sides get the settings that were fastest for PyTorch: idle threads sleep, and large blocks come as 2 MiB pages
 * (our engine asks for those itself).
 */
const ENVIRONMENT = {
  OMP_WAIT_POLICY: 'passive',
  THP_MEM_ALLOC_ENABLE: '1',
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** A worker's process is gone, as one is that asked for more memory than there is. */
export class WorkerEnded extends Error {}

/** A process with one job, run as often as it is asked to. */
export class Worker {
  readonly side: Side;
  readonly job: Job;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(side: Side, job: Job) {
    this.side = side;
    this.job = job;
    this.#process = spawn(side.command, side.arguments, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...ENVIRONMENT },
    });
    // A worker that died is noticed where its reply is missing.
    this.#process.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Starts a worker, which prepares the job and runs it once. */
  static async start(side: Side, job: Job): Promise<{ worker: Worker; prepared: Prepared }> {
    const worker = new Worker(side, job);
    return { worker, prepared: await worker.#ask<Prepared>(JSON.stringify(job)) };
  }

  /** Runs the job once more. */
  run(): Promise<Repetition> {
    return this.#ask<Repetition>('run');
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin.end();
    await closed;
  }

  async #ask<Reply>(line: string): Promise<Reply> {
    this.#process.stdin.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new WorkerEnded(`${this.side.name}: the process of ${this.job.name} ended, as for want of memory`);
    return JSON.parse(value) as Reply;
  }
}
