import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FloatArray } from '../backend/types.ts';
import { notANumber } from '../score/check.ts';
import { orderAddon, type OrderAddon, type OrderResult } from './native.ts';

/** An operation on scores in its two forms, which give identical results. */
export interface OrderKernel {
  readonly scores: FloatArray;
  native(addon: OrderAddon): OrderResult;
  nativeAsync(addon: OrderAddon): Promise<OrderResult>;
  /** Yields now and then, so that a long run can be interleaved with other work. */
  portable(): Generator<undefined, Uint32Array>;
}

export interface AsyncOptions {
  signal?: AbortSignal;
}

/** Runs a kernel here and now, by the addon where there is one and the scores are many. */
export function runKernel(kernel: OrderKernel): Uint32Array {
  const addon = orderAddon(kernel.scores.length);
  return addon ? rowsOf(kernel.native(addon)) : runPortable(kernel);
}

/** The TypeScript form of a kernel, run to its end. */
export function runPortable(kernel: OrderKernel): Uint32Array {
  const run = kernel.portable();
  let step = run.next();
  while (!step.done) step = run.next();
  return step.value;
}

/**
 * Runs a kernel off the event loop: on the thread pool by the addon, else in short turns. The scores must not change
 * until the promise settles; an abort rejects at once with the signal's reason.
 */
export async function runKernelAsync(kernel: OrderKernel, { signal }: AsyncOptions = {}): Promise<Uint32Array> {
  signal?.throwIfAborted();
  const addon = orderAddon(kernel.scores.length);
  if (addon) return rowsOf(await orAborted(kernel.nativeAsync(addon), signal));
  const run = kernel.portable();
  for (;;) {
    const step = run.next();
    if (step.done) return step.value;
    await nextTurn();
    signal?.throwIfAborted();
  }
}

function rowsOf(result: OrderResult): Uint32Array {
  if (typeof result === 'number') throw notANumber(result);
  return result;
}

/** The promise, or the signal's reason if that comes first; what the promise still brings is then dropped. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
