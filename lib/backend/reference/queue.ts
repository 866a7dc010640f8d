import { performance } from 'node:perf_hooks';
import { GradfoldError } from '../../errors.ts';

/** Work in steps: each `yield` is a place where the event loop may run and an abort is noticed. */
export type Job<T> = Generator<void, T, void>;

interface Pending {
  /** Advances by one step; true when the job is over. */
  step(): boolean;
  reject(reason: unknown): void;
  signal?: AbortSignal;
}

/** How long jobs run before the event loop gets its turn. */
const SLICE_MILLISECONDS = 10;

/**
 * Runs jobs in the order of their calls on the JavaScript thread, in slices. A synchronous call that must see the
 * effects of earlier asynchronous ones finishes them first, so effects always happen in call order.
 */
export class JobQueue {
  readonly #pending: Pending[] = [];
  #scheduled = false;
  #closed = false;

  /** Runs a job after all earlier ones. Rejects with the signal's reason on abort, with DISPOSED when closed. */
  run<T>(job: Job<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      this.checkOpen();
      const step = (): boolean => {
        const { done, value } = job.next();
        if (done) resolve(value);
        return done ?? false;
      };
      this.#pending.push({ step, reject, signal });
      this.#schedule();
    });
  }

  /** Runs everything pending to its end now. @throws GradfoldError DISPOSED when closed */
  finish(): void {
    this.checkOpen();
    while (this.#pending.length > 0) this.#step();
  }

  /** Does something that cannot fail once nothing is pending any more, closed or not. */
  afterPending(action: () => void): void {
    if (this.#pending.length === 0) {
      action();
      return;
    }
    const step = (): boolean => {
      action();
      return true;
    };
    this.#pending.push({ step, reject: () => undefined });
  }

  /** @throws GradfoldError DISPOSED when closed */
  checkOpen(): void {
    if (this.#closed) throw disposed('backend');
  }

  /** Jobs already pending still run; every later call fails. */
  close(): void {
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#pending.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const end = performance.now() + SLICE_MILLISECONDS;
      while (this.#pending.length > 0 && performance.now() < end) this.#step();
      this.#schedule();
    });
  }

  #step(): void {
    const job = this.#pending[0];
    let over = true;
    try {
      job.signal?.throwIfAborted();
      over = job.step();
    } catch (error) {
      job.reject(error);
    }
    if (over) this.#pending.shift();
  }
}

/** The error of every use after dispose(). */
export function disposed(what: string): GradfoldError {
  return new GradfoldError('DISPOSED', `this ${what} has been disposed; open a new one`);
}
