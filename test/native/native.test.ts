import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { buildNativeTest, kernelLibraries, nativeTests } from '../../scripts/native-tests.js';

const run = promisify(execFile);

it.skipIf(loadAddon() === null || kernelLibraries().length === 0).each(nativeTests())(
  '%s (C++ kernels against float64 loops, on every instruction set and product)',
  { timeout: 400_000 },
  async (name) => {
    const program = await buildNativeTest(name);
    // Idle threads sleep instead of spinning, so that a busy machine does not starve the test.
    const { stdout } = await run(program, { env: { ...process.env, OMP_WAIT_POLICY: 'passive' }, maxBuffer: 1 << 24 });
    expect(stdout).toMatch(/^\d+ checks, 0 failed$/m);
  },
);
