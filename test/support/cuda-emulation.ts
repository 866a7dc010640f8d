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

/** Builds the CUDA kernels, or the whole addon, to run thread by thread on the CPU; quick where nothing changed. */
export async function buildEmulated(target: 'cuda_kernels' | 'gradfold_cuda_emulated'): Promise<string> {
  const script = join(root, 'scripts', 'cuda.js');
  const program = `import { buildEmulation } from ${JSON.stringify(script)};
    process.exit(buildEmulation(${JSON.stringify(target)}) ? 0 : 1);`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return emulationBuild;
}

/** The emulated device's addon; buildEmulated() made it. */
export function emulatedAddon(): CudaAddon {
  return createRequire(import.meta.url)(join(emulationBuild, 'gradfold_cuda_emulated.node')) as CudaAddon;
}

/** Opens the emulated device as backend 'cuda'. */
export const openEmulated = (options: BackendOptions = {}): Backend => openCudaAddon(emulatedAddon(), options);

export const emulatedInfo = (): BackendInfo => describeCuda(emulatedAddon());
