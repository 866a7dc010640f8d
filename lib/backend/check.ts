import { checkObject, invalid } from '../check.ts';
import type { Backend } from './types.ts';

/** @throws GradfoldError INVALID_ARGUMENT for anything but what openBackend gives. */
export function checkBackend(backend: unknown): asserts backend is Backend {
  checkObject('backend', backend);
  const { name, engine } = backend as Partial<Backend>;
  const methods = [engine?.createModel, engine?.createRater, engine?.perSampleLinear];
  if (typeof name !== 'string' || methods.some((method) => typeof method !== 'function'))
    throw invalid('backend', 'a backend', backend, { fix: 'open one with openBackend()' });
}
