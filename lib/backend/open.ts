import { checkOptions, invalid, type OptionNames } from '../check.ts';
import { cpuInfo, openCpuBackend } from './cpu.ts';
import { cudaInfo, openCudaBackend } from './cuda.ts';
import { openReferenceBackend, referenceInfo } from './reference/backend.ts';
import type { Backend, BackendInfo, BackendName, BackendOptions } from './types.ts';

interface BackendEntry {
  info(): BackendInfo;
  open(options: BackendOptions): Backend;
}

/** Fastest first: the order in which 'auto' tries them. */
const BACKENDS: Record<BackendName, BackendEntry> = {
  cuda: { info: cudaInfo, open: openCudaBackend },
  cpu: { info: cpuInfo, open: openCpuBackend },
  reference: { info: referenceInfo, open: openReferenceBackend },
};

const OPTIONS: OptionNames<BackendOptions> = {
  threads: true,
  device: true,
  precision: true,
  recompute: true,
  gemm: true,
  isa: true,
};

const NAMES = Object.keys(BACKENDS) as BackendName[];
let warned = false;

/** Every backend with what it would be on this machine, or why it is not available. */
export function availableBackends(): BackendInfo[] {
  return NAMES.map((name) => BACKENDS[name].info());
}

/**
 * Opens a compute backend. 'auto' (the default) takes the first available of cuda, cpu, reference; where only the
 * reference backend is left it says so once on standard error, with the command that mends it.
 * @throws GradfoldError UNAVAILABLE with the reason, UNSUPPORTED for a precision the backend does not do
 */
export async function openBackend(name: BackendName | 'auto' = 'auto', options: BackendOptions = {}): Promise<Backend> {
  if (name !== 'auto' && !(typeof name === 'string' && Object.hasOwn(BACKENDS, name))) {
    throw invalid('backend', `one of auto, ${NAMES.join(', ')}`, name);
  }
  checkOptions('options', options, OPTIONS);
  if (name !== 'auto') return BACKENDS[name].open(options);
  const chosen = NAMES.find((candidate) => BACKENDS[candidate].info().available)!;
  if (chosen === 'reference' && !warned) {
    warned = true;
    process.emitWarning(`${cpuInfo().reason}. Until then everything runs on the slow reference backend.`, {
      code: 'GRADFOLD_REFERENCE',
    });
  }
  return BACKENDS[chosen].open(options);
}
