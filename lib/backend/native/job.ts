import { GradfoldError, type ErrorCode } from '../../errors.ts';
import type { EngineAddon, StopFlag } from '../addon.ts';

/** A native error under the name and stack of the JavaScript call that caused it. */
function translated(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof GradfoldError) return error;
  return new GradfoldError(error.code as ErrorCode, error.message, { cause: error });
}

/** What a native call returns or throws, errors translated. */
export function rethrowing<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}

/** What a native promise brings, errors translated. */
export async function rethrowingAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translated(error);
  }
}

/** Runs a native job under an AbortSignal; an aborted one rejects with the signal's reason. */
export async function runJob<T>(
  addon: EngineAddon,
  signal: AbortSignal | undefined,
  start: (stop?: StopFlag) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const stop = signal && addon.createStop();
  const raise = () => addon.raiseStop(stop!);
  signal?.addEventListener('abort', raise, { once: true });
  try {
    const result = await start(stop);
    signal?.throwIfAborted();
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && 'code' in error && error.code === 'CANCELLED') {
      throw new GradfoldError('DISPOSED', 'the backend was disposed while the call was under way', { cause: error });
    }
    throw translated(error);
  } finally {
    signal?.removeEventListener('abort', raise);
  }
}
