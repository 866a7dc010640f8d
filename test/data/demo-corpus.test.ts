import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { create } from 'tar';
import { describe, expect, it } from 'vitest';
import {
  controlParagraphs,
  dictionaryEntries,
  lazyLoadStrings,
  osisToPlainText,
  swordBlocks,
} from '../../lib/data/demo/debian-formats.ts';
import { declaration } from '../../lib/data/demo/declarations.ts';
import { fetchPackage, readTarball } from '../../lib/data/demo/npm-package.ts';
import { runCommand } from '../../lib/data/demo/run-command.ts';
import { TEXT_PACKAGES } from '../../lib/data/demo/stdlib.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();

describe('fetched packages', () => {
  it('come from the cache when their digest is right, and are read by pattern in order', async () => {
    mkdirSync(join(directory, 'package/data'), { recursive: true });
    for (const name of ['b.txt', 'a.txt', 'a.json']) writeFileSync(join(directory, 'package/data', name), name);
    const tarball = join(directory, 'scope-texts-1.0.0.tgz');
    await create({ gzip: true, file: tarball, cwd: directory }, ['package']);
    const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`;
    const pinned = { name: '@scope/texts', version: '1.0.0', integrity };
    expect(await fetchPackage(pinned, directory)).toBe(tarball);
    const files = await readTarball(tarball, /^data\/.*\.txt$/);
    expect(files.map(([path, bytes]) => [path, bytes.toString()])).toEqual([
      ['data/a.txt', 'a.txt'],
      ['data/b.txt', 'b.txt'],
    ]);
  });

  it('name the program that is missing, or the command and what it said', async () => {
    const options = { cwd: directory, purpose: 'the package x' };
    await expect(runCommand('no-such-program', [], options)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: "the package x: the program 'no-such-program' is not on this machine",
    });
    await expect(runCommand('ls', ['/no-such-folder'], options)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/the package x: `ls \/no-such-folder` failed: .*no-such-folder/),
    });
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(runCommand('ls', [], { ...options, signal })).rejects.toThrow('stopped');
  });
});

describe('documents of packages', () => {
  const words = 'a letter with quite a few words in it, so that it is long enough to be kept among the others here';

  it('show the label of a mail in no other column', async () => {
    const { document } = TEXT_PACKAGES.find(({ pinned }) => pinned.name.endsWith('spam-assassin'))!;
    const raw = Buffer.from(`Subject: x\n\n${words}\n`);
    const { label: ham, ...one } = (await document('data/easy-ham-1/00001.abc.txt', raw))!;
    const { label: spam, ...other } = (await document('data/spam-2/00007.abc.txt', raw))!;
    expect([ham, spam]).toEqual(['ham', 'spam']);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ id: 'mail/abc', text: words, domain: 'mail' });
    expect(await document('data/spam-2/00008.abd.txt', Buffer.from('Subject: x\n\nclick here\n'))).toBeNull();
  });

  it('leave out files that repeat the others', () => {
    const { files } = TEXT_PACKAGES.find(({ pinned }) => pinned.name.endsWith('moby-dick'))!;
    const paths = ['chapter_1', 'chapter_135', 'epilogue', 'data', 'contents'].map((name) => `data/${name}.txt`);
    expect(paths.map((path) => files.test(path))).toEqual([true, true, true, false, false]);
  });
});

describe('declarations', () => {
  const page = (code: string) =>
    `<!doctype html><html data-iso6393="${code}" lang="x"><head><title>Name</title></head><body><h1>Titel</h1><p>Da\ndie <b>Anerkennung</b>,</p></body></html>`;

  it('are plain text under the code of their language, or their own name where that is undetermined', () => {
    expect(declaration('deu_1996', page('deu'))).toEqual({ language: 'deu', text: 'Titel\n\nDa die Anerkennung,' });
    expect(declaration('007', page('und')).language).toBe('007');
  });
});

describe('formats of Debian packages', () => {
  it('reads a dictionary, an entry of several headwords once', () => {
    const entries = ['file header\n\n', 'one%%%ones\n\n   First.\n\n   More.\n', 'two\n\n   Second.\n'];
    // Offsets 0, 13, 45 and lengths 13, 32, 16, in dictd's base 64.
    const index = ['00-database-info\tA\tN', 'two\tt\tQ', 'one\tN\tg', 'ones\tN\tg'].join('\n');
    expect(dictionaryEntries(index, gzipSync(entries.join('')))).toEqual([
      { headword: 'one', text: 'one, ones\n\n   First.\n\n   More.\n' },
      { headword: 'two', text: 'two\n\n   Second.\n' },
    ]);
  });

  it('reads the strings of an R database', () => {
    const int = (...values: number[]) =>
      Buffer.concat(values.map((value) => Buffer.from(new Int32Array([value]).buffer).swap32()));
    const text = (value: string) => Buffer.concat([int(0x40009, Buffer.byteLength(value)), Buffer.from(value)]);
    const vector = (values: string[]) =>
      Buffer.concat([
        Buffer.from('X\n'),
        int(3, 0x40201, 0x30500, 5),
        Buffer.from('UTF-8'),
        int(16, values.length),
        ...values.map(text),
      ]);
    const books = [['EMMA', '', 'Chapter I'], ['naïve']];
    const blocks = books.map((lines) => Buffer.concat([int(vector(lines).length), deflateSync(vector(lines))]));
    const index = int(13, 2, 0, blocks[0].length, 13, 2, blocks[0].length, blocks[1].length);
    expect(lazyLoadStrings(gzipSync(index), Buffer.concat(blocks))).toEqual(books);
  });

  it('reads SWORD blocks and strips their markup', () => {
    const texts = [
      '<title>Ruth</title><chapter n="1"/><w lemma="x">In</w> the days<note>a note</note> &amp; more',
      'second',
    ];
    const packed = texts.map((text) => deflateSync(text));
    const index = Buffer.from(
      new Uint32Array([0, packed[0].length, texts[0].length, packed[0].length, packed[1].length, 6]).buffer,
    );
    expect(swordBlocks(index, Buffer.concat(packed))).toEqual(texts);
    expect(osisToPlainText(texts[0]).trim()).toBe('Ruth\nIn the days & more');
  });

  it('reads control paragraphs with their continuation lines', () => {
    const text = 'Package: a\nHomepage: https://a.test/\nDescription-en: short\n long\n .\n more\n\nPackage: b\n';
    expect([...controlParagraphs(text)].map((fields) => Object.fromEntries(fields))).toEqual([
      { Package: 'a', Homepage: 'https://a.test/', 'Description-en': 'short\n long\n .\n more' },
      { Package: 'b' },
    ]);
  });
});
