import { invalid } from '../check.ts';
import type { Backend } from './types.ts';

const opened = new WeakSet<object>();

/** The backend, from now on one that `checkBackend` knows. */
export function registered(backend: Backend): Backend {
  opened.add(backend);
  return backend;
}

/** @throws GradfoldError INVALID_ARGUMENT for anything but what openBackend gives. */
export function checkBackend(backend: unknown): asserts backend is Backend {
  if (typeof backend === 'object' && backend !== null && opened.has(backend)) return;
  throw invalid('backend', 'a backend', backend, { fix: 'open one with openBackend()' });
}
