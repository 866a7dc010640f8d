import { availableParallelism, totalmem } from 'node:os';
import { checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { addonReason, loadAddon } from './addon.ts';
import { checkPrecision, checkRecompute, describeNative, openNative } from './native/open.ts';
import type { Backend, BackendInfo, BackendOptions } from './types.ts';

/** What the CPU backend would be here, without starting it for good. */
export function cpuInfo(): BackendInfo {
  const addon = loadAddon();
  if (!addon) return { name: 'cpu', available: false, reason: addonReason() };
  const { isa, gemm } = describeNative(addon, { threads: 1, precision: 'f32' });
  return {
    name: 'cpu',
    available: true,
    isa,
    gemm,
    gemmBf16: describeNative(addon, { threads: 1, precision: 'bf16' }).gemm,
    threads: availableParallelism(),
    memory: totalmem(),
    device: 'CPU',
  };
}

/**
 * Opens the native CPU engine with one engine thread and `threads` compute threads (default: all cores).
 * @throws GradfoldError UNAVAILABLE when the addon is not built; INVALID_ARGUMENT for an option that is not there here
 */
export function openCpuBackend(options: BackendOptions = {}): Backend {
  const addon = loadAddon();
  if (!addon) throw new GradfoldError('UNAVAILABLE', `backend 'cpu': ${addonReason()}`);
  const [precision, recompute] = [checkPrecision(options), checkRecompute(options)];
  for (const name of ['isa', 'gemm'] as const) {
    const forced: unknown = options[name];
    if (forced !== undefined && typeof forced !== 'string') throw invalid(name, 'a name', forced);
  }
  const threads = checkInteger('threads', options.threads ?? availableParallelism(), 1, 1024);
  const info = { name: 'cpu', available: true, device: 'CPU', memory: totalmem() } as const;
  return openNative(addon, { threads, precision, recompute, isa: options.isa, gemm: options.gemm }, info);
}
