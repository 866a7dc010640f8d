// Builds the CUDA addon. With --if-possible a missing toolkit is a notice, not a failure. With --emulated it builds what the
// kernels are tested with where there is no device. --architectures "90": for one kind of device alone, which is faster.
import { parseArgs } from 'node:util';
import { buildCudaAddon, buildEmulation, probeCmake, probeNvcc } from './cuda.js';

const { values } = parseArgs({
  options: {
    'if-possible': { type: 'boolean', default: false },
    emulated: { type: 'boolean', default: false },
    architectures: { type: 'string' },
  },
});

function refuse({ reason, fix }) {
  console.error(`gradfold: the CUDA addon was not built: ${reason}`);
  console.error(`gradfold: to build it: ${fix}; then npm run build:cuda`);
  process.exit(values['if-possible'] ? 0 : 1);
}

const cmake = probeCmake();
if (!cmake.found) refuse(cmake);
if (values.emulated) {
  if (!buildEmulation()) {
    console.error("gradfold: the kernels' emulation was not built; the compiler's message stands above");
    process.exit(1);
  }
  console.error('gradfold: built build/cuda-emulated/gradfold_cuda_emulated.node');
} else {
  const nvcc = probeNvcc();
  if (!nvcc.found) refuse(nvcc);
  console.error(`gradfold: building the CUDA addon with CUDA ${nvcc.version}`);
  if (!buildCudaAddon({ compiler: nvcc.compiler, architectures: values.architectures })) {
    console.error("gradfold: the CUDA addon was not built; the compiler's message stands above");
    process.exit(1);
  }
  console.error('gradfold: built build/cuda/Release/gradfold_cuda.node');
}
