import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadAddon, type Addon } from '../backend/addon.ts';
import { rethrowing, rethrowingAsync } from '../backend/native/job.ts';
import { checkBackend } from '../backend/check.ts';
import type { Backend, DeviceRows, FloatArray } from '../backend/types.ts';
import { checkCall } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { notANumber } from '../score/check.ts';

/**
 * Rows from which the addon is used. Measured on two cores: both forms of a sort take 0.15 ms at 1,500 rows; at 10,000
 * the addon is twice as fast.
 */
export const NATIVE_ROWS = 2000;

/** An operation on rows in its forms. */
export interface Kernel<Result> {
  /** One entry a row; whether the addon is used depends on how many there are. */
  readonly scores: FloatArray;
  /** The result, or the index of the value that is refused. */
  native(addon: Addon): Result | number;
  nativeAsync(addon: Addon): Promise<Result | number>;
  /** The same by a device with memory of its own. */
  device(rows: DeviceRows, signal?: AbortSignal): Promise<Result | number>;
  /** Yields now and then, so that a long run can be interleaved with other work. */
  portable(): Generator<undefined, Result>;
  /** Whether the addon can do this at all; default: yes. */
  readonly portableOnly?: boolean;
  /** The error for the index that a native form returned; default: a score that is not a number. */
  refused?(index: number): GradfoldError;
}

/** Gives identical rows in all forms. */
export type OrderKernel = Kernel<Uint32Array>;

export interface AsyncOptions {
  signal?: AbortSignal;
  /**
   * Does the work on this backend where it is 'cuda': the arrays go to the device's memory, and the result comes back.
   * Any other, and none, leaves it to the CPU. `memory` says nothing of the device.
   */
  backend?: Backend;
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
 * Runs a kernel off the event loop: by the backend's device, on the thread pool by the addon, else in short turns. Its
 * arrays must not change until the promise settles; an abort rejects at once with the signal's reason.
 */
export async function runKernelAsync<Result>(kernel: Kernel<Result>, options: AsyncOptions = {}): Promise<Result> {
  checkCall('options', options);
  const { signal, backend } = options;
  if (backend !== undefined) checkBackend(backend);
  const rows = backend?.engine.rows;
  if (rows && kernel.scores.length > 0)
    return resultOf(kernel, await orAborted(onDevice(kernel.scores.length, kernel.device(rows, signal)), signal));
  const addon = addonFor(kernel);
  if (addon)
    return resultOf(
      kernel,
      await orAborted(
        rethrowingAsync(() => kernel.nativeAsync(addon)),
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

/** The promise of a device's work on so many rows, with what to do where they do not fit. */
export async function onDevice<Result>(rows: number, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GradfoldError) || error.code !== 'OUT_OF_MEMORY') throw error;
    throw new GradfoldError(
      'OUT_OF_MEMORY',
      `${rows} rows do not fit on the backend's device: ${error.message}; without \`backend\` the CPU takes them`,
      { cause: error },
    );
  }
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
