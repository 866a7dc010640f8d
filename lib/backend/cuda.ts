import { checkInteger } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { deviceRows, type DeviceRowsAddon } from './native/device-rows.ts';
import { loadAddonFile, type Loaded } from './native/load.ts';
import { checkPrecision, checkRecompute, describeNative, openNative } from './native/open.ts';
import type { Backend, BackendInfo, BackendOptions } from './types.ts';

/** A machine as native/addon/platform_cuda.cc finds it; versions as CUDA writes them (13000: 13.0), driver 0: none. */
interface CudaMachine {
  runtime: number;
  driver: number;
  devices: { name: string; major: number; minor: number; multiprocessors: number; memory: number }[];
  /** Why there are no devices, in the driver's own words. */
  reason?: string;
}

export interface CudaAddon extends DeviceRowsAddon {
  machine(): CudaMachine;
}

let loaded: Loaded<CudaAddon> | undefined;

function load(): Loaded<CudaAddon> {
  loaded ??= loadAddonFile<CudaAddon>(
    '../../build/cuda/Release/gradfold_cuda.node',
    'the CUDA addon',
    'npm run build:cuda',
  );
  return loaded;
}

const versionOf = (number: number): string => `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;

/** What the CUDA backend would be here on its first device, or why it is not. */
export function cudaInfo(): BackendInfo {
  const found = load();
  return 'addon' in found ? describeCuda(found.addon) : { name: 'cuda', available: false, reason: found.reason };
}

/** What the addon says of this machine. */
export function describeCuda(addon: CudaAddon): BackendInfo {
  const { devices, runtime, driver, reason } = addon.machine();
  const versions = { runtime: versionOf(runtime), driver: driver > 0 ? versionOf(driver) : 'none' };
  const [first] = devices;
  if (!first) return { name: 'cuda', available: false, reason: `no CUDA device: ${reason}`, ...versions };
  const common = { name: 'cuda', device: first.name, memory: first.memory, ...versions } as const;
  try {
    const { isa, gemm } = describeNative(addon, { device: 0, precision: 'f32' });
    const gemmBf16 = describeNative(addon, { device: 0, precision: 'bf16' }).gemm;
    return { ...common, available: true, isa, gemm, gemmBf16 };
  } catch (error) {
    return { ...common, available: false, reason: (error as Error).message };
  }
}

/**
 * Opens the native engine on an NVIDIA GPU: number `device` of those the driver shows (CUDA_VISIBLE_DEVICES), default 0.
 * @throws GradfoldError UNAVAILABLE when the addon is not built or there is no device; INVALID_ARGUMENT for a device that
 * is not there or too old
 */
export function openCudaBackend(options: BackendOptions = {}): Backend {
  const found = load();
  if (!('addon' in found)) throw new GradfoldError('UNAVAILABLE', `backend 'cuda': ${found.reason}`);
  return openCudaAddon(found.addon, options);
}

/** The same of a given addon. */
export function openCudaAddon(addon: CudaAddon, options: BackendOptions): Backend {
  const [precision, recompute] = [checkPrecision(options), checkRecompute(options)];
  const device = checkInteger('device', options.device ?? 0, 0);
  const { devices, ...machine } = addon.machine();
  if (devices.length === 0) throw new GradfoldError('UNAVAILABLE', `backend 'cuda': no CUDA device: ${machine.reason}`);
  const { name, memory } = devices[device] ?? {};
  const info = {
    name: 'cuda',
    available: true,
    device: name,
    memory,
    runtime: versionOf(machine.runtime),
    driver: versionOf(machine.driver),
  } as const;
  return openNative(addon, { device, precision, recompute }, info, (native) => deviceRows(addon, native));
}
