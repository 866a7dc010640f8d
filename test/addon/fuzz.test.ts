import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { compileLibrary } from '../support/compile-library.ts';

it.skipIf(loadAddon() === null)(
  'five seconds of wrong calls end in errors of their kind and change nothing that the process computes',
  { timeout: 180_000 },
  async () => {
    const library = await compileLibrary();
    try {
      const script = fileURLToPath(new URL('../../scripts/fuzz.js', import.meta.url));
      const options = ['--seconds', '5', '--seed', '20'];
      const parameters = [script, ...options, '--library', library.directory];
      const { stdout } = await promisify(execFile)(process.execPath, parameters);
      expect(Number(/^fuzz: (\d+) calls/.exec(stdout)![1])).toBeGreaterThan(100);
    } finally {
      await library.remove();
    }
  },
);
