import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { readDocuments, type ReadProgress } from '../../lib/data/readers.ts';
import { collect, temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();

function write(name: string, contents: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

const LINES = [
  { id: 'a', text: 'first \u2028 line', domain: 'x', score: 1.5 },
  { id: 7, text: 'sécond 😀' },
  { text: 'no id' },
];
const JSONL = LINES.map((line) => JSON.stringify(line)).join('\n');
/** Two lines, {"id":"y","text":"first"} and {"id":"z","text":"zstandard"}, as packed by the zstd program. */
const ZST = Buffer.from(
  'KLUv/SQ4wQEAeyJpZCI6InkiLCJ0ZXh0IjoiZmlyc3QifQp7ImlkIjoieiIsInRleHQiOiJ6c3RhbmRhcmQifQrZTYlO',
  'base64',
);

describe('JSON lines', () => {
  it('keeps fields, makes ids text, and splits at line feeds only', async () => {
    const documents = await collect(readDocuments([write('a.jsonl', `${JSONL}\n\n`)]));
    expect(documents.slice(0, 2)).toEqual([
      { id: 'a', text: 'first \u2028 line', domain: 'x', score: 1.5 },
      { id: '7', text: 'sécond 😀' },
    ]);
    expect(documents).toHaveLength(3);
  });

  it('gives a row without id the same one in every reading, packed elsewhere or not', async () => {
    mkdirSync(join(directory, 'elsewhere'), { recursive: true });
    const [, , here] = await collect(readDocuments([write('ids.jsonl', JSONL)]));
    const [, , there] = await collect(readDocuments([write('elsewhere/ids.jsonl', JSONL)]));
    const [, , other] = await collect(readDocuments([write('other.jsonl', JSONL)]));
    expect(here.id).toMatch(/^[0-9a-f]{20}$/);
    expect(there.id).toBe(here.id);
    expect(other.id).not.toBe(here.id);
  });

  it('reads .gz of several members', async () => {
    const packed = Buffer.concat([gzipSync(`${JSONL}\n`), gzipSync('{"id":"last","text":"t"}')]);
    const documents = await collect(readDocuments([write('a.ndjson.gz', packed)]));
    expect(documents.map(({ text }) => text)).toEqual([...LINES.map(({ text }) => text), 't']);
  });

  it('reads .zst', async () => {
    expect(await collect(readDocuments([write('a.jsonl.zst', ZST)]))).toEqual([
      { id: 'y', text: 'first' },
      { id: 'z', text: 'zstandard' },
    ]);
  });

  it.each(['gz', 'zst'])('names a truncated .%s file', async (extension) => {
    const packed = extension === 'gz' ? gzipSync(JSONL) : ZST;
    const path = write(`cut.jsonl.${extension}`, packed.subarray(0, packed.length - 6));
    await expect(collect(readDocuments([path]))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining(path),
    });
  });

  const CORRUPT: [string, string | Buffer, RegExp][] = [
    ['broken JSON', '{"id":"b","text":"cut', /JSON/],
    ['an array', '["x"]', /one JSON object, got an array of 1/],
    ['no text', '{"id":"b","body":"x"}', /column 'text', got undefined \(columns here: id, body\).*--text-column/],
    ['a number for text', '{"id":"b","text":3}', /column 'text', got 3/],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
  ];

  it.each(CORRUPT)('names the line of %s, or leaves it out and counts it', async (name, line, message) => {
    const path = write(
      `${name}.jsonl`,
      Buffer.concat([
        Buffer.from('{"text":"1"}\n{"text":"2"}\n'),
        Buffer.from(line as string),
        Buffer.from('\n{"text":"4"}'),
      ]),
    );
    const error = await collect(readDocuments([path])).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'INVALID_DATA' });
    expect(error.message).toContain(`${path}:3: `);
    expect(error.message).toMatch(message);
    const skipped: string[] = [];
    const documents = await collect(readDocuments([path], { onError: 'skip', onSkip: (text) => skipped.push(text) }));
    expect(documents.map(({ text }) => text)).toEqual(['1', '2', '4']);
    expect(skipped).toHaveLength(1);
    expect(skipped[0]).toContain(`${path}:3: `);
  });

  it('takes other columns for text and id, a domain for those without, and a limit', async () => {
    const path = write('columns.jsonl', '{"body":"one","key":"k1","domain":"own"}\n{"body":"two","key":"k2"}\n{"bad');
    const options = { textColumn: 'body', idColumn: 'key', domain: 'given', limit: 2 };
    expect(await collect(readDocuments([path], options))).toEqual([
      { id: 'k1', text: 'one', domain: 'own' },
      { id: 'k2', text: 'two', domain: 'given' },
    ]);
  });

  it('reports all bytes and documents', async () => {
    const reports: ReadProgress[] = [];
    const path = write('progress.jsonl', JSONL);
    await collect(readDocuments([path], { onProgress: (report) => reports.push(report) }));
    const bytes = Buffer.byteLength(JSONL);
    expect(reports.at(-1)).toEqual({ bytesRead: bytes, bytesTotal: bytes, documents: 3 });
  });

  it("rejects with the signal's reason", async () => {
    const controller = new AbortController();
    controller.abort(new Error('stopped'));
    const path = write('abort.jsonl', JSONL);
    await expect(collect(readDocuments([path], { signal: controller.signal }))).rejects.toThrow('stopped');
  });
});

describe('plain text and directories', () => {
  it('walks a directory in order, one document a file, domains by folder, other formats passed over', async () => {
    for (const folder of ['tree', 'tree/prose', 'tree/verse']) mkdirSync(join(directory, folder), { recursive: true });
    write('tree/verse/1.txt', 'rhyme');
    write('tree/prose/1.txt', 'story');
    write('tree/prose/2.txt.gz', gzipSync('packed'));
    write('tree/prose/image.png', 'x');
    const documents = await collect(readDocuments([join(directory, 'tree')]));
    expect(documents.map(({ text, domain }) => [text, domain])).toEqual([
      ['story', 'prose'],
      ['packed', 'prose'],
      ['rhyme', 'verse'],
    ]);
    expect(new Set(documents.map(({ id }) => id)).size).toBe(3);
    const given = await collect(readDocuments([join(directory, 'tree')], { domain: 'all' }));
    expect(given.map(({ domain }) => domain)).toEqual(['all', 'all', 'all']);
  });

  it('rejects what is not there, of no known format, or empty', async () => {
    mkdirSync(join(directory, 'empty'));
    await expect(collect(readDocuments([join(directory, 'none.jsonl')]))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(collect(readDocuments([write('a.docx', 'x')]))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(collect(readDocuments([join(directory, 'empty')]))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('Parquet', () => {
  it.each(['UNCOMPRESSED', 'SNAPPY'] as const)('reads all row groups, %s', async (codec) => {
    const filename = join(directory, `${codec}.parquet`);
    const texts = Array.from({ length: 25 }, (_, i) => `tèxt ${i} 😀`);
    parquetWriteFile({
      filename,
      codec,
      rowGroupSize: 10,
      columnData: [
        { name: 'text', data: texts },
        { name: 'count', data: texts.map((_, i) => BigInt(i)), type: 'INT64' },
      ],
    });
    const reports: ReadProgress[] = [];
    const documents = await collect(readDocuments([filename], { onProgress: (report) => reports.push(report) }));
    expect(documents.map(({ text }) => text)).toEqual(texts);
    expect(documents[24].count).toBe(24n);
    expect(new Set(documents.map(({ id }) => id)).size).toBe(25);
    expect(reports.at(-1)!.documents).toBe(25);
  });

  it('names a file that is not Parquet', async () => {
    const path = write('not.parquet', 'these are not the bytes of a Parquet file');
    await expect(collect(readDocuments([path]))).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining(path),
    });
  });
});
