import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { probeOnednn } from '../../scripts/probe.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const libraries = ['kernels_baseline', 'kernels_avx2', 'kernels_avx512', 'kernels_amx']
  .map((name) => `${root}build/Release/obj.target/${name}.a`)
  .filter((path) => existsSync(path));

/** Compiles a test program against the kernels that the addon was linked from. */
async function build(name: string): Promise<string> {
  const program = `${root}build/native-tests/${name}`;
  await mkdir(`${root}build/native-tests`, { recursive: true });
  const products = probeOnednn().found ? ['-ldnnl'] : [];
  const source = `${root}test/native/${name}.cpp`;
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  const link = ['-Wl,--start-group', ...libraries, '-Wl,--end-group', ...products];
  await run(process.env.CXX ?? 'g++', ['-std=c++17', '-O2', '-fopenmp', ...warnings, source, '-o', program, ...link]);
  return program;
}

it
  .skipIf(loadAddon() === null || libraries.length === 0)
  .each(['kernels_test', 'layers_test', 'attention_test', 'products_test'])(
  '%s (C++ kernels against float64 loops, on every instruction set and product)',
  { timeout: 400_000 },
  async (name) => {
    const program = await build(name);
    // Idle threads sleep instead of spinning, so that a busy machine does not starve the test.
    const { stdout } = await run(program, { env: { ...process.env, OMP_WAIT_POLICY: 'passive' }, maxBuffer: 1 << 24 });
    expect(stdout).toMatch(/^\d+ checks, 0 failed$/m);
  },
);
