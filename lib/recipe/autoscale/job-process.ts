// The program of a worker process (see ProcessWorker): trains the jobs that its parent sends, one after the other.
import { GradfoldError } from '../../errors.ts';
import { LocalWorker, type FromWorker, type ToWorker } from './job-worker.ts';

let worker: Promise<LocalWorker> | undefined;
const send = (message: FromWorker): void => void process.send?.(message);

process.on('message', (message: ToWorker) => void take(message));
// A parent that is gone, killed perhaps, may be followed by another one that takes up the same folders.
process.on('disconnect', () => process.exit());

async function take(message: ToWorker): Promise<void> {
  if ('settings' in message) {
    worker = LocalWorker.open(message.dir, message.settings);
    worker.catch(() => undefined); // told with the first job
    return;
  }
  try {
    const record = await (await worker!).run(message.job, { onStep: (step) => send({ step }) });
    send({ record });
  } catch (error) {
    const code = error instanceof GradfoldError ? error.code : null;
    send({ error: (error as Error).message, code });
  }
}
