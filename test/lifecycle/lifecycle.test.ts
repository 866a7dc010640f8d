import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median } from 'simple-statistics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';

interface Growth {
  kind: 'models' | 'vectors' | 'metaGradients' | 'backends';
  /** Whether the cycles dispose of what they make, or leave it to the collector. */
  way: 'dispose' | 'collect';
  cycles: number;
  /** The least that a cycle could lose, in bytes: the parameters of a small model; a thread with its stack. */
  least: number;
}

const GROWTH: Growth[] = [
  { kind: 'models', way: 'dispose', cycles: 12_000, least: 2800 },
  { kind: 'vectors', way: 'dispose', cycles: 12_000, least: 2800 },
  { kind: 'metaGradients', way: 'dispose', cycles: 6000, least: 2800 },
  { kind: 'backends', way: 'dispose', cycles: 12_000, least: 20_000 },
  { kind: 'models', way: 'collect', cycles: 6000, least: 2800 },
  { kind: 'vectors', way: 'collect', cycles: 12_000, least: 2800 },
  { kind: 'backends', way: 'collect', cycles: 1200, least: 20_000 },
];
const PARTS = 6;

/** A small young generation, so that its growth is not taken for ours. */
const NODE_OPTIONS = ['--expose-gc', '--max-semi-space-size=1'];

let library: CompiledLibrary;
beforeAll(async () => {
  library = await compileLibrary();
}, 180_000);
afterAll(() => library.remove());

/** Runs child.mjs to its end. */
async function child(...parameters: string[]) {
  const script = fileURLToPath(new URL('child.mjs', import.meta.url));
  const running = spawn(process.execPath, [...NODE_OPTIONS, script, library.directory, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  running.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [status, signal] = (await once(running, 'close')) as [number | null, string | null];
  return { status, signal, output };
}

describe.skipIf(loadAddon() === null)('the life of engine objects', () => {
  it.each(GROWTH)(
    '$cycles $kind made and dropped ($way) leave no memory behind',
    { timeout: 300_000 },
    async ({ kind, way, cycles, least }) => {
      const { status, signal, output } = await child('growth', kind, way, String(cycles), String(PARTS));
      expect({ status, signal }).toEqual({ status: 0, signal: null });
      // A leak grows in every part; what allocators and V8 settle into does not.
      expect(median(JSON.parse(output) as number[])).toBeLessThan(((cycles / PARTS) * least) / 2);
    },
  );

  it.each(['0', '3', '10', '40'])('process.exit() %s ms into work', async (delay) => {
    expect(await child('exit', delay)).toEqual({ status: 3, signal: null, output: '' });
  });

  it('vectors and models disposed of under the calls that use them', { timeout: 180_000 }, async () => {
    expect(await child('dispose')).toEqual({ status: 0, signal: null, output: 'disposed\n' });
  });

  it('workers terminated at work beside an engine that goes on', { timeout: 180_000 }, async () => {
    expect(await child('workers', '4')).toEqual({ status: 0, signal: null, output: 'terminated\n' });
  });
});
