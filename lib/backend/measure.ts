import { checkInteger, checkObject, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { checkBackend } from './check.ts';
import type { Backend, ProductShape } from './types.ts';

/**
 * The rate of one matrix product on a backend in floating-point operations per second (2mnk over wall seconds): the
 * ceiling to set beside a training step or a per-sample pass measured in the same run.
 * @throws GradfoldError INVALID_ARGUMENT; UNSUPPORTED on the reference backend; OUT_OF_MEMORY for matrices beyond the
 * device's memory; DISPOSED
 */
export async function measureProduct(backend: Backend, shape: ProductShape): Promise<number> {
  checkBackend(backend);
  checkObject('shape', shape);
  for (const name of ['m', 'n', 'k'] as const) checkInteger(name, shape[name], 1, 2 ** 30);
  const { engine, info } = backend;
  if (!engine.measureProduct)
    throw new GradfoldError('UNSUPPORTED', `backend '${backend.name}': its products are not measured`);
  const { m, n, k } = shape;
  const bytes = 4 * (m * k + k * n + m * n);
  if (bytes > (info.memory ?? Infinity)) {
    throw invalid('m, n, k', `matrices that fit in ${info.memory} bytes of memory`, bytes, { code: 'OUT_OF_MEMORY' });
  }
  return (2 * m * n * k) / (await engine.measureProduct(shape));
}
