// Building the CUDA addon and its emulation, for whoever needs either.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Where the addon is built, and where lib/backend/cuda.ts looks for it. */
export const cudaBuild = join(root, 'build', 'cuda');
/** Where the kernels' emulation is built: libcuda_kernels.a and gradfold_cuda_emulated.node. */
export const emulationBuild = join(root, 'build', 'cuda-emulated');

const version = (command) => {
  const { error, status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return error || status !== 0 ? undefined : stdout;
};

/** {found} or {found: false, reason, fix}: CMake. */
export function probeCmake() {
  return version('cmake')
    ? { found: true }
    : { found: false, reason: 'CMake was not found', fix: 'apt-get install -y cmake' };
}

/** {found, compiler, version} or {found: false, reason, fix}: nvcc of CUDA 12 or newer. */
export function probeNvcc() {
  const places = [process.env.CUDACXX, 'nvcc', '/usr/local/cuda/bin/nvcc'];
  for (const compiler of places) {
    const said = compiler && version(compiler);
    const release = said && /release (\d+)\.(\d+)/.exec(said);
    if (release && Number(release[1]) >= 12) return { found: true, compiler, version: `${release[1]}.${release[2]}` };
  }
  return {
    found: false,
    reason: 'nvcc of CUDA 12 or newer was not found on the PATH or in /usr/local/cuda/bin',
    fix: 'install the CUDA toolkit, or name its compiler in CUDACXX',
  };
}

const run = (command, args, env = process.env) =>
  spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] }).status === 0;

/**
 * Configures and builds the CUDA addon with cmake-js into build/cuda/Release/gradfold_cuda.node.
 * @param {{compiler: string, architectures?: string}} options architectures: instead of those of CMakeLists.txt
 */
export function buildCudaAddon({ compiler, architectures }) {
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const options = ['--directory', join(root, 'native'), '--out', cudaBuild, '--parallel', String(cpus().length)];
  const defines = architectures ? [`--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`] : [];
  return run(process.execPath, [cmakeJs, 'compile', ...options, '-G', 'Unix Makefiles', ...defines], {
    ...process.env,
    CUDACXX: compiler,
  });
}

/** Builds the kernels, and the addon over them, to run thread by thread on the CPU: for tests. */
export function buildEmulation() {
  const headers = [require('node-api-headers').include_dir, dirname(require.resolve('node-addon-api'))].join(';');
  const launcher = process.env.CXX?.startsWith('ccache ') ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : [];
  const env = { ...process.env, CXX: process.env.CXX?.replace(/^ccache /, '') ?? 'g++' };
  const source = join(root, 'native');
  const configure = ['-S', source, '-B', emulationBuild, '-DGRADFOLD_CUDA_EMULATION=ON', `-DCMAKE_JS_INC=${headers}`];
  return (
    run('cmake', [...configure, ...launcher], env) &&
    run('cmake', ['--build', emulationBuild, '--parallel', String(cpus().length)], env)
  );
}

/** Whether the addon has been built. */
export const cudaAddonBuilt = () => existsSync(join(cudaBuild, 'Release', 'gradfold_cuda.node'));
