import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeCuda, openCudaAddon, type CudaAddon } from '../../lib/backend/cuda.ts';
import type { Backend, BackendInfo, BackendOptions } from '../../lib/backend/types.ts';
import { emulationBuild, probeCmake } from '../../scripts/cuda.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Why the CUDA kernels cannot be emulated here. */
export function emulationReason(): string | undefined {
  const cmake = probeCmake();
  return cmake.found ? undefined : cmake.reason;
}

/** Builds the emulation, which is quick where nothing changed; where its library and its addon lie. */
export async function buildEmulated(): Promise<string> {
  const script = join(root, 'scripts', 'build-cuda.js');
  await promisify(execFile)(process.execPath, [script, '--emulated'], { maxBuffer: 1 << 24 });
  return emulationBuild;
}

/** The emulated device's addon; buildEmulated() made it. */
export function emulatedAddon(): CudaAddon {
  return createRequire(import.meta.url)(join(emulationBuild, 'gradfold_cuda_emulated.node')) as CudaAddon;
}

/** Opens the emulated device as backend 'cuda'. */
export const openEmulated = (options: BackendOptions = {}): Backend => openCudaAddon(emulatedAddon(), options);

export const emulatedInfo = (): BackendInfo => describeCuda(emulatedAddon());
