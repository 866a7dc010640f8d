import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import type { Backend, ProductShape } from './types.ts';

/**
 * The rate of one matrix product on a backend in floating-point operations per second (2mnk over wall seconds): the
 * ceiling to set beside a training step or a per-sample pass measured in the same run.
 * @throws GradfoldError UNSUPPORTED on the reference backend
 */
export async function measureProduct(backend: Backend, shape: ProductShape): Promise<number> {
  for (const name of ['m', 'n', 'k'] as const) checkInteger(name, shape[name], 1);
  const { measureProduct } = backend.engine;
  if (!measureProduct)
    throw new GradfoldError('UNSUPPORTED', `backend '${backend.name}': its products are not measured`);
  return (2 * shape.m * shape.n * shape.k) / (await measureProduct(shape));
}
