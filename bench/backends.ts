import { GradfoldError, openBackend, type Backend, type BackendOptions } from 'gradfold';
import type { BenchOptions, Precision } from './types.ts';

/** The cpu backend with those options, or undefined where this build or this processor has it not. */
export async function openIfAvailable(options: BackendOptions): Promise<Backend | undefined> {
  try {
    return await openBackend('cpu', options);
  } catch (error) {
    if (error instanceof GradfoldError && ['INVALID_ARGUMENT', 'UNSUPPORTED'].includes(error.code)) return undefined;
    throw error;
  }
}

/** The precision that was asked for, or both where both are available: bfloat16 may have no such product here. */
export async function precisionsOf({ precision, backend }: BenchOptions): Promise<Precision[]> {
  if (precision) return [precision];
  const narrow = await openIfAvailable({ ...backend, precision: 'bf16' });
  narrow?.dispose();
  return narrow ? ['f32', 'bf16'] : ['f32'];
}

/** 'AMX, avx512, 2 threads' */
export function describeBackend({ info }: Backend): string {
  return `${info.gemm}, ${info.isa}, ${info.threads} threads`;
}
