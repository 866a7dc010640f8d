// The C++ tests, for whoever compiles them: every test/native/*_test.cpp is a program of its own, linked against the
// kernels of a build of the addon.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { probeOnednn } from './probe.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

/** The programs' names. */
export function nativeTests() {
  return readdirSync(join(root, 'test', 'native'))
    .filter((file) => file.endsWith('_test.cpp'))
    .map((file) => file.slice(0, -'.cpp'.length))
    .sort();
}

/** The kernels of a build directory (build/ of node-gyp), one library an instruction set. */
export function kernelLibraries(build = join(root, 'build')) {
  return ['kernels_baseline', 'kernels_avx2', 'kernels_avx512', 'kernels_amx', 'kernels_avx512bf16']
    .map((name) => join(build, 'Release', 'obj.target', `${name}.a`))
    .filter((path) => existsSync(path));
}

/** What the CUDA kernels' tests are linked with: those that every device has, and those of the emulation alone. */
export function cudaTests({ emulated }) {
  // Not about a device's kernels: opening the CPU device, and what has its own file on each side.
  const ofHost = ['device_test', 'order_test', 'softmax_test'];
  const shared = nativeTests().filter((name) => !ofHost.includes(name));
  const own = readdirSync(join(root, 'test', 'native', 'cuda')).filter((file) => file.endsWith('_test.cpp'));
  return emulated ? [...own.map((file) => `cuda/${file.slice(0, -'.cpp'.length)}`), ...shared] : shared;
}

/**
 * Compiles one program against a build's kernels.
 * @param {string} name below test/native
 * @param {{build?: string, flags?: string[]}} options flags: further ones for the compiler, the build's own sanitizers say
 * @returns {Promise<string>} the program's path
 */
export function buildNativeTest(name, { build = join(root, 'build'), flags = [] } = {}) {
  const libraries = ['-Wl,--start-group', ...kernelLibraries(build), '-Wl,--end-group'];
  const products = probeOnednn().found ? ['-ldnnl'] : [];
  return compileTest(name, { build, flags, libraries: [...libraries, ...products] });
}

/**
 * The same against the CUDA kernels of a build: those of a device, with the CUDA runtime in `toolkit`, or emulated ones.
 * @param {string} name one of cudaTests()
 * @param {{build: string, toolkit?: string}} options
 * @returns {Promise<string>} the program's path
 */
export function buildCudaTest(name, { build, toolkit }) {
  const runtime = toolkit ? [`-L${join(toolkit, 'lib64')}`, '-lcudart_static', '-lrt', '-lpthread'] : [];
  const flags = ['-DGRADFOLD_TEST_CUDA', ...(toolkit ? [] : ['-DGRADFOLD_CUDA_EMULATION', '-Wno-unknown-pragmas'])];
  return compileTest(name, { build, flags, libraries: [join(build, 'libcuda_kernels.a'), ...runtime, '-ldl'] });
}

async function compileTest(name, { build, flags, libraries }) {
  const program = join(build, 'native-tests', name);
  await mkdir(dirname(program), { recursive: true });
  const [compiler, ...own] = (process.env.CXX ?? 'g++').split(' ');
  const source = join(root, 'test', 'native', `${name}.cpp`);
  const options = [...own, '-std=c++17', '-O2', '-fopenmp', '-Wall', '-Wextra', '-Werror', ...flags];
  await run(compiler, [...options, source, '-o', program, ...libraries]);
  return program;
}
