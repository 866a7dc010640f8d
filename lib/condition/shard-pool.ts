import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { GradfoldError } from '../errors.ts';
import type { ShardCounts, ShardTask } from './condition-shard.ts';
import { ShardRunner, type ShardInputs } from './shard-runner.ts';
import type { ShardAnswer } from './shard-worker.ts';

export interface RunShardsOptions extends ShardInputs {
  /** Shards made at a time. */
  threads: number;
  signal?: AbortSignal;
  /** Called when the files of a shard are written. */
  onShard: (index: number, counts: ShardCounts) => Promise<void>;
  /** Documents of all shards that are done so far. */
  onProgress?: (documents: number) => void;
}

const WORKER = new URL('./shard-worker.js', import.meta.url);

/**
 * Makes shards, several at a time where there are threads for it. A shard depends on nothing but its documents, so the
 * number of threads does not change a bit of the result.
 */
export async function runShards(tasks: readonly ShardTask[], options: RunShardsOptions): Promise<void> {
  const threads = Math.min(options.threads, tasks.length);
  // Threads run compiled files: where only the sources are, shards are made one after the other.
  if (threads <= 1 || !existsSync(WORKER)) return runHere(tasks, options);
  const queue = [...tasks];
  const progress = new Progress(options.onProgress);
  const workers = Array.from({ length: threads }, () => new ShardThread(options));
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
          const { index } = task;
          await options.onShard(index, await worker.run(task, (documents) => progress.update(index, documents)));
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

async function runHere(tasks: readonly ShardTask[], options: RunShardsOptions): Promise<void> {
  if (tasks.length === 0) return;
  const { signal, onShard, onProgress, corpus, tokenizer, folder, settings } = options;
  const runner = await ShardRunner.open({ corpus, tokenizer, folder, settings });
  const progress = new Progress(onProgress);
  for (const task of tasks) {
    signal?.throwIfAborted();
    const counts = await runner.run(task, { signal, onProgress: (done) => progress.update(task.index, done) });
    await onShard(task.index, counts);
  }
}

/** The documents of several shards under way, added up. */
class Progress {
  readonly #documents = new Map<number, number>();
  readonly #report: ((documents: number) => void) | undefined;

  constructor(report: ((documents: number) => void) | undefined) {
    this.#report = report;
  }

  update(shard: number, documents: number): void {
    this.#documents.set(shard, documents);
    this.#report?.([...this.#documents.values()].reduce((sum, n) => sum + n, 0));
  }
}

/** A worker thread that makes one shard at a time. */
class ShardThread {
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;

  constructor({ corpus, tokenizer, folder, settings, signal }: RunShardsOptions) {
    const workerData: ShardInputs = { corpus, tokenizer, folder, settings };
    this.#worker = new Worker(WORKER, { workerData });
    this.#signal = signal;
  }

  run(task: ShardTask, onProgress: (documents: number) => void): Promise<ShardCounts> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#worker.off('message', onMessage).off('error', onError);
        this.#signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onMessage = (answer: ShardAnswer) => {
        if (answer.kind === 'progress') onProgress(answer.documents);
        else if (answer.kind === 'done') settle(() => resolve(answer.counts));
        else settle(() => reject(new GradfoldError(answer.code, answer.message)));
      };
      const onError = (error: Error) => settle(() => reject(error));
      const onAbort = () => settle(() => reject(this.#signal!.reason as Error));
      this.#worker.on('message', onMessage).on('error', onError);
      if (this.#signal?.aborted) return onAbort();
      this.#signal?.addEventListener('abort', onAbort, { once: true });
      this.#worker.postMessage(task);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
