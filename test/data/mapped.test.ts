import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { openBytes } from '../../lib/data/file-bytes.ts';
import { SamplesBuilder } from '../../lib/data/flat-samples.ts';
import { openSamples, writeSamples } from '../../lib/data/samples.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);
const addon = loadAddon();

describe.skipIf(addon?.mapFile === undefined)('a mapped file', () => {
  beforeAll(() => writeFile(file('bytes'), Buffer.alloc(300_000, 'some bytes, ')));

  it('has the bytes of the file, whatever its size', async () => {
    for (const size of [0, 1, 4095, 4096, 4097]) {
      const bytes = Buffer.alloc(size, 'some bytes, ');
      await writeFile(file(`${size}`), bytes);
      expect(Buffer.compare(await openBytes(file(`${size}`)), bytes)).toBe(0);
    }
    await symlink(file('bytes'), file('link'));
    expect((await openBytes(file('link'))).length).toBe(300_000);
  });

  it.each([
    ['a file that is not there', 'nothing', 'NOT_FOUND', /cannot read .*nothing: there is no such file/],
    ['a directory', '.', 'INVALID_ARGUMENT', /it is a directory \(EISDIR\)/],
    ['a part of the path that is a file', 'bytes/x', 'NOT_FOUND', /a part of the path is not a directory/],
  ])('is refused for %s', async (_, name, code, message) => {
    await expect(openBytes(file(name))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("carries the system's words where the addon is refused", () => {
    const failure = (path: string, most = 1e9): unknown => {
      try {
        return addon!.mapFile!(path, most);
      } catch (error) {
        return error;
      }
    };
    expect(failure(file('nothing'))).toMatchObject({
      message: 'No such file or directory',
      errno: -2,
      syscall: 'open',
    });
    expect(failure(directory)).toMatchObject({ message: 'Is a directory', syscall: 'mmap' });
    expect(failure('/dev/null')).toMatchObject({ message: 'No such device', syscall: 'mmap' });
    expect(failure(file('bytes'), 299_999)).toMatchObject({ message: 'File too large', syscall: 'mmap' });
    expect(failure(`${file('bytes')}\0`)).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is refused by the addon for arguments of another kind', () => {
    const { mapFile, adviseWillNeed } = addon!;
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    for (const path of [undefined, '', 7, {}]) expect(() => mapFile!(path as string, 10)).toThrow(refused);
    for (const most of [-1, 0.5, NaN, 2 ** 60]) expect(() => mapFile!(file('bytes'), most)).toThrow(refused);
    const buffer = mapFile!(file('bytes'), 1e9);
    for (const [offset, length] of [
      [-1, 1],
      [0, 300_001],
      [300_001, 0],
      [1, 300_000],
      [0, NaN],
    ])
      expect(() => adviseWillNeed!(buffer, offset, length)).toThrow(refused);
    for (const wrong of [undefined, new Uint8Array(9), new SharedArrayBuffer(9)])
      expect(() => adviseWillNeed!(wrong as unknown as ArrayBuffer, 0, 1)).toThrow(refused);
    adviseWillNeed!(buffer, 0, 300_000);
    adviseWillNeed!(buffer, 299_999, 1);
    adviseWillNeed!(buffer, 300_000, 0);
    adviseWillNeed!(new ArrayBuffer(100), 3, 5); // not mapped: nothing happens
  });

  it('stays under its rows when it is transferred', () => {
    const buffer = addon!.mapFile!(file('bytes'), 1e9);
    const before = new Uint8Array(buffer).slice();
    let copy = new ArrayBuffer(0);
    try {
      copy = structuredClone(buffer, { transfer: [buffer] });
    } catch {
      // Node 20 copies such a buffer, later ones refuse.
    }
    expect(Buffer.compare(new Uint8Array(buffer), before)).toBe(0);
    expect([0, 300_000]).toContain(copy.byteLength);
  });

  it.skipIf(process.getuid?.() === 0)('is refused without permission', async () => {
    await writeFile(file('secret'), 'x');
    await chmod(file('secret'), 0);
    await expect(openBytes(file('secret'))).rejects.toMatchObject({ code: 'IO' });
  });

  it('that was cut short or grew before it is opened is what it is then', async () => {
    await mkdir(file('cut'));
    await writeShards(file('cut/samples'), 10);
    const shard = file('cut/samples/samples-00000-of-00001.arrow');
    const { length } = await readFile(shard);
    await truncate(shard, length - 5);
    await expect(openSamples(file('cut/samples'))).rejects.toThrow(/00000-of-00001\.arrow: .*truncated/);
    await appendFile(shard, 'ROW1\n');
    await expect(openSamples(shard)).rejects.toMatchObject({ code: 'INVALID_FILE' });
  });
});

async function writeShards(path: string, rows: number, shardRows = rows): Promise<void> {
  const builder = new SamplesBuilder(8);
  for (let i = 0; i < rows; i++) builder.add(Int32Array.of(i, i + 1, i + 2), i, 'd', 'train');
  await writeSamples(path, builder.build(), { shardRows });
}

describe.skipIf(addon?.mapFile === undefined || platform() !== 'linux')('the life of mappings', () => {
  let library: CompiledLibrary;
  beforeAll(async () => {
    library = await compileLibrary();
  }, 180_000);
  afterAll(() => library.remove());

  it.each([
    ['collect', 0, 'collected'],
    ['replaced', 0, 'kept'],
    ['written', 0, 'private'],
    ['workers', 0, 'ended'],
    ['exit', 3, ''],
  ])('%s', { timeout: 120_000 }, async (mode, status, said) => {
    await writeShards(file(mode), 50, 10);
    const script = fileURLToPath(new URL('mapped-child.mjs', import.meta.url));
    const child = spawn(process.execPath, ['--expose-gc', script, library.directory, mode, file(mode)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    expect([...((await once(child, 'close')) as unknown[]), output]).toEqual([status, null, said]);
  });
});
