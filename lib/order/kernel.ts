import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadAddon, type Addon } from '../backend/addon.ts';
import { rethrowing } from '../backend/native/job.ts';
import type { FloatArray } from '../backend/types.ts';
import { checkCall } from '../check.ts';
import type { GradfoldError } from '../errors.ts';
import { notANumber } from '../score/check.ts';

/**
 * Rows from which the addon is used. Measured on two cores: both forms of a sort take 0.15 ms at 1,500 rows; at 10,000
 * the addon is twice as fast.
 */
export const NATIVE_ROWS = 2000;

/** An operation on rows in its two forms. */
export interface Kernel<Result> {
  /** One entry a row; whether the addon is used depends on how many there are. */
  readonly scores: FloatArray;
  /** The result, or the index of the value that is refused. */
  native(addon: Addon): Result | number;
  nativeAsync(addon: Addon): Promise<Result | number>;
  /** Yields now and then, so that a long run can be interleaved with other work. */
  portable(): Generator<undefined, Result>;
  /** Whether the addon can do this at all; default: yes. */
  readonly portableOnly?: boolean;
  /** The error for the index that a native form returned; default: a score that is not a number. */
  refused?(index: number): GradfoldError;
}

/** Gives identical rows in both forms. */
export type OrderKernel = Kernel<Uint32Array>;

export interface AsyncOptions {
  signal?: AbortSignal;
}

/** Runs a kernel here and now, by the addon where there is one and the rows are many. */
export function runKernel<Result>(kernel: Kernel<Result>): Result {
  const addon = addonFor(kernel);
  return addon
    ? resultOf(
        kernel,
        rethrowing(() => kernel.native(addon)),
      )
    : runPortable(kernel);
}

/** The TypeScript form of a kernel, run to its end. */
export function runPortable<Result>(kernel: Kernel<Result>): Result {
  const run = kernel.portable();
  let step = run.next();
  while (!step.done) step = run.next();
  return step.value;
}

/**
 * Runs a kernel off the event loop: on the thread pool by the addon, else in short turns. Its arrays must not change
 * until the promise settles; an abort rejects at once with the signal's reason.
 */
export async function runKernelAsync<Result>(kernel: Kernel<Result>, options: AsyncOptions = {}): Promise<Result> {
  checkCall('options', options);
  const { signal } = options;
  const addon = addonFor(kernel);
  if (addon)
    return resultOf(
      kernel,
      await orAborted(
        rethrowing(() => kernel.nativeAsync(addon)),
        signal,
      ),
    );
  const run = kernel.portable();
  for (;;) {
    const step = run.next();
    if (step.done) return step.value;
    await nextTurn();
    signal?.throwIfAborted();
  }
}

/** What a native form returned, or the error that it stands for. */
export function resultOf<Result>({ refused = notANumber }: Kernel<Result>, returned: Result | number): Result {
  if (typeof returned === 'number') throw refused(returned);
  return returned;
}

function addonFor({ scores, portableOnly = false }: Kernel<unknown>): Addon | null {
  return scores.length >= NATIVE_ROWS && !portableOnly ? loadAddon() : null;
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
