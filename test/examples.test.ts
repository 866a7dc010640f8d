import { execFile } from 'node:child_process';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileLibrary, type CompiledLibrary } from './support/compile-library.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

let library: CompiledLibrary;

beforeAll(async () => {
  library = await compileLibrary();
  // A package of its own, so that 'gradfold' in the examples is the library as it stands, not an earlier build.
  const manifest = { name: 'gradfold', type: 'module', exports: './index.js' };
  await writeFile(join(library.directory, 'package.json'), JSON.stringify(manifest));
  await cp(join(ROOT, 'examples'), join(library.directory, 'examples'), { recursive: true });
}, 180_000);
afterAll(() => library.remove());

/** What an example prints; rejects when it fails. */
async function run(name: string): Promise<string> {
  const path = join(library.directory, 'examples', name);
  return (await promisify(execFile)(process.execPath, [path], { cwd: ROOT })).stdout;
}

const numbers = (text: string, pattern: RegExp): number[] =>
  Array.from(text.matchAll(pattern), ([, value]) => Number(value));

const EXAMPLES: Record<string, (printed: string) => void> = {
  'meta-gradient.mjs'(printed) {
    const last = printed.trimEnd().split('\n').at(-1)!;
    const [written, shuffled, , noise] = numbers(last, / (\d+) %/g);
    expect(written).toBeGreaterThan(50);
    expect(shuffled).toBeLessThan(25);
    expect(noise).toBeLessThan(10);
  },
  'own-network.mjs'(printed) {
    const [dropped] = numbers(printed, /spoiled passages among .*: (\d+) %/g);
    expect(dropped).toBeGreaterThan(60);
    const gains = (way: string) => {
      const line = printed.split('\n').find((text) => text.startsWith(`${way}:`))!;
      return line.split('better by ')[1].split(' ').map(Number);
    };
    for (const way of ['best 60 %, random order', 'best 60 %, folded', 'drawn by acceptance']) {
      for (const gain of gains(way)) expect(gain).toBeGreaterThan(0.05);
    }
    for (const gain of gains('all, softmax weights')) expect(gain).toBeGreaterThan(0);
    for (const gain of gains('a random 60 %')) expect(gain).toBeLessThan(0.05);
  },
  'per-sample-loop.mjs'(printed) {
    const losses = numbers(printed, /target loss after \d+ rows: ([\d.]+)/g);
    expect(losses).toHaveLength(7);
    expect(losses[6]).toBeLessThan(losses[0] - 0.5);
  },
  'standalone-kernels.mjs'(printed) {
    const worst = numbers(printed.split('\n')[0], /(\d+)/g);
    expect(worst.map((row) => row % 5)).toEqual([0, 0, 0, 0, 0]);
    const [plain, selected, weighted] = numbers(printed, /slope of .*: ([\d.]+)/g);
    expect(Math.abs(selected - 2)).toBeLessThan(0.05);
    expect(Math.abs(weighted - 2)).toBeLessThan(0.05);
    expect(plain).toBeLessThan(1.5);
  },
};

test.each(Object.entries(EXAMPLES))(
  '%s runs and does what it says',
  async (name, check) => {
    check(await run(name));
  },
  300_000,
);

test('every example is run here', async () => {
  expect((await readdir(join(ROOT, 'examples'))).sort()).toEqual(Object.keys(EXAMPLES).sort());
});

test('the README shows the example as it is', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const example = await readFile(join(ROOT, 'examples', 'per-sample-loop.mjs'), 'utf8');
  expect(readme).toContain(`\`\`\`js\n${example}\`\`\`\n`);
});
