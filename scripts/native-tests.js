// The C++ tests, for whoever compiles them: every test/native/*_test.cpp is a program of its own, linked against the
// kernels of a build of the addon.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
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
  return ['kernels_baseline', 'kernels_avx2', 'kernels_avx512', 'kernels_amx']
    .map((name) => join(build, 'Release', 'obj.target', `${name}.a`))
    .filter((path) => existsSync(path));
}

/**
 * Compiles one program against a build's kernels.
 * @param {string} name
 * @param {{build?: string, flags?: string[]}} options flags: further ones for the compiler, the build's own sanitizers say
 * @returns {Promise<string>} the program's path
 */
export async function buildNativeTest(name, { build = join(root, 'build'), flags = [] } = {}) {
  const directory = join(build, 'native-tests');
  const program = join(directory, name);
  await mkdir(directory, { recursive: true });
  const [compiler, ...own] = (process.env.CXX ?? 'g++').split(' ');
  const source = join(root, 'test', 'native', `${name}.cpp`);
  const link = ['-Wl,--start-group', ...kernelLibraries(build), '-Wl,--end-group'];
  const products = probeOnednn().found ? ['-ldnnl'] : [];
  const options = [...own, '-std=c++17', '-O2', '-fopenmp', '-Wall', '-Wextra', '-Werror', ...flags];
  await run(compiler, [...options, source, '-o', program, ...link, ...products]);
  return program;
}
