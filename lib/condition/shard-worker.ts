// A thread that makes shards: told a ShardTask, it answers with ShardAnswers.
import { parentPort, workerData } from 'node:worker_threads';
import { GradfoldError, type ErrorCode } from '../errors.ts';
import type { ShardCounts, ShardTask } from './condition-shard.ts';
import { ShardRunner, type ShardInputs } from './shard-runner.ts';

export type ShardAnswer =
  | { kind: 'progress'; documents: number }
  | { kind: 'done'; counts: ShardCounts }
  | { kind: 'failed'; code: ErrorCode; message: string };

const port = parentPort!;
const answer = (message: ShardAnswer): void => port.postMessage(message);
const runner = ShardRunner.open(workerData as ShardInputs);
runner.catch(() => undefined); // the first task says so

port.on('message', (task: ShardTask) => {
  void make(task);
});

async function make(task: ShardTask): Promise<void> {
  try {
    const counts = await (
      await runner
    ).run(task, {
      onProgress: (documents) => answer({ kind: 'progress', documents }),
    });
    answer({ kind: 'done', counts });
  } catch (error) {
    // A class does not survive the way to another thread.
    if (!(error instanceof GradfoldError)) throw error;
    answer({ kind: 'failed', code: error.code, message: error.message });
  }
}
