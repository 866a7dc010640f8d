import { GradfoldError, openBackend, type Backend, type BackendOptions } from 'gradfold';
import type { BenchOptions, Precision } from './types.ts';

/** Matrix products of the CPU that can be asked for by name. */
export const GEMMS = ['amx', 'avx512bf16', 'onednn', 'portable', 'bf16x3', 'bf16x6'] as const;

/** The cpu backend with those options, or undefined where this build or this processor has it not. */
export async function openIfAvailable(options: BackendOptions): Promise<Backend | undefined> {
  try {
    return await openBackend('cpu', options);
  } catch (error) {
    if (error instanceof GradfoldError && ['INVALID_ARGUMENT', 'UNSUPPORTED'].includes(error.code)) return undefined;
    throw error;
  }
}

/**
 * The precision that was asked for; otherwise those that are available with the other options, or float32, whose opening
 * then says why it cannot be had.
 */
export async function precisionsOf({ precision, backend }: BenchOptions): Promise<Precision[]> {
  if (precision) return [precision];
  const available: Precision[] = [];
  for (const one of ['f32', 'bf16'] as const) {
    const opened = await openIfAvailable({ ...backend, precision: one });
    opened?.dispose();
    if (opened) available.push(one);
  }
  return available.length ? available : ['f32'];
}

/** 'AMX, avx512, 2 threads' */
export function describeBackend({ info }: Backend): string {
  return `${info.gemm}, ${info.isa}, ${info.threads} threads`;
}
