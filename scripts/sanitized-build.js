// A copy of the library in build/asan whose addon is built with AddressSanitizer and UndefinedBehaviorSanitizer. It is a
// copy because node-gyp knows one build directory a project, and because lib/ looks for its addon beside itself.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon } from './node-gyp.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['binding.gyp', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'vitest.config.ts'];
const COPIED_TREES = ['lib', 'native', 'scripts', 'test'];

export const SANITIZER_FLAGS = [
  '-fsanitize=address,undefined',
  '-fno-sanitize=vptr', // node-gyp compiles without run-time type information
  '-fno-sanitize-recover=all',
  '-fno-omit-frame-pointer',
  '-g',
];
export const sanitizedRoot = join(root, 'build', 'asan');

/** Why the compiler cannot build sanitized programs, or that they do not run here; undefined when it can. */
export function sanitizersMissing() {
  const folder = mkdtempSync(join(tmpdir(), 'gradfold-sanitizer-'));
  try {
    const program = join(folder, 'probe');
    writeFileSync(`${program}.cpp`, 'int main() { return 0; }\n');
    const [compiler, ...own] = (process.env.CXX ?? 'g++').split(' ');
    const flags = [...own, ...SANITIZER_FLAGS, `${program}.cpp`, '-o', program];
    const compiled = spawnSync(compiler, flags, { encoding: 'utf8' });
    if (compiled.error) return compiled.error.message;
    if (compiled.status !== 0) return compiled.stderr.trim().split('\n')[0];
    const ran = spawnSync(program, { encoding: 'utf8' });
    return ran.status === 0 ? undefined : `a sanitized program does not run: ${ran.stderr.trim().split('\n')[0]}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The sanitizer's runtime library, which has to be loaded before Node. */
export function sanitizerRuntime() {
  const [compiler, ...own] = (process.env.CXX ?? 'g++').split(' ');
  return spawnSync(compiler, [...own, '-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
}

/** Brings the copy up to date and builds its addon; files that did not change are not compiled again. */
export function buildSanitized() {
  mkdirSync(sanitizedRoot, { recursive: true });
  for (const tree of COPIED_TREES) rmSync(join(sanitizedRoot, tree), { recursive: true, force: true });
  for (const entry of [...COPIED, ...COPIED_TREES]) {
    cpSync(join(root, entry), join(sanitizedRoot, entry), { recursive: true, preserveTimestamps: true });
  }
  const modules = join(sanitizedRoot, 'node_modules');
  rmSync(modules, { recursive: true, force: true });
  symlinkSync(join(root, 'node_modules'), modules);
  const failed = buildAddon(sanitizedRoot, {
    ...process.env,
    // -O1 follows binding.gyp's -O3: instrumented code of that level is far slower to compile and harder to read.
    CXXFLAGS: [...SANITIZER_FLAGS, '-O1'].join(' '),
    LDFLAGS: SANITIZER_FLAGS.join(' '),
  });
  if (failed) throw new Error(`node-gyp ${failed} failed; the compiler's message stands above`);
  return join(sanitizedRoot, 'build');
}
