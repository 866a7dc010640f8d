import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openCorpus, writeCorpus, type CorpusDocument } from '../../lib/data/corpus.ts';
import { UNICODE_TEXTS, temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);

afterEach(() => vi.restoreAllMocks());

describe('a corpus table', () => {
  it('gives back what was written, unicode and nulls included', async () => {
    const documents = UNICODE_TEXTS.map((text, i): CorpusDocument => ({
      id: `id-${i}`,
      text,
      ...(i % 2 ? { domain: `d${i}`, url: 'https://example.org/ü' } : { score: i / 3, flag: i === 2 }),
      label: i as unknown as string,
      nested: { list: [i, 2n] },
    }));
    const written = await writeCorpus(file('round.arrow'), documents);
    const corpus = await openCorpus(file('round.arrow'));
    expect(written).toEqual({
      documents: documents.length,
      duplicates: 0,
      bytes: (await readFile(file('round.arrow'))).length,
    });
    expect(corpus.count).toBe(documents.length);
    documents.forEach((document, i) => {
      expect(corpus.id(i)).toBe(document.id);
      expect(corpus.text(i)).toBe(document.text);
      expect(corpus.domain(i)).toBe(document.domain ?? 'default');
      expect(corpus.value('url', i)).toBe(document.url ?? null);
      expect(corpus.value('score', i)).toBe(document.score ?? null);
      expect(corpus.value('flag', i)).toBe(document.flag ?? null);
      expect(corpus.value('label', i)).toBe(String(i));
      expect(corpus.value('nested', i)).toBe(`{"list":[${i},2]}`);
    });
  });

  it('makes room for columns that come, or turn to text, after batches were written', async () => {
    const count = 10_000;
    function* documents(): Generator<CorpusDocument> {
      for (let i = 0; i < count; i++)
        yield {
          id: `${i}`,
          text: `text ${i}`,
          mixed: i < 9_000 ? i : `word ${i}`,
          ...(i === 6_000 ? { late: 1.5 } : {}),
        };
    }
    await writeCorpus(file('wide.arrow'), documents());
    const corpus = await openCorpus(file('wide.arrow'));
    expect(corpus.count).toBe(count);
    expect([0, 4_999, 9_999].map((i) => corpus.text(i))).toEqual(['text 0', 'text 4999', 'text 9999']);
    expect([0, 6_000, 9_999].map((i) => corpus.value('late', i))).toEqual([null, 1.5, null]);
    expect([0, 5_000, 9_999].map((i) => corpus.value('mixed', i))).toEqual(['0', '5000', 'word 9999']);
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('may be empty', async () => {
    await writeCorpus(file('empty.arrow'), []);
    expect((await openCorpus(file('empty.arrow'))).count).toBe(0);
  });

  it('leaves out exact duplicates when asked to, and counts them', async () => {
    const documents = ['a', 'b', 'a', 'a ', 'b'].map((text, i) => ({ id: `${i}`, text }));
    const written = await writeCorpus(file('unique.arrow'), documents, { deduplicate: true });
    expect(written).toMatchObject({ documents: 3, duplicates: 2 });
    const corpus = await openCorpus(file('unique.arrow'));
    expect([0, 1, 2].map((i) => corpus.id(i))).toEqual(['0', '1', '3']);
    expect(await writeCorpus(file('all.arrow'), documents)).toMatchObject({ documents: 5, duplicates: 0 });
  });

  it('names the nearest column for one that is not there, and rejects rows out of range', async () => {
    await writeCorpus(file('names.arrow'), [{ id: '1', text: 't', perplexity: 2 }]);
    const corpus = await openCorpus(file('names.arrow'));
    expect(() => corpus.value('perplexty', 0)).toThrow(/did you mean 'perplexity'/);
    expect(() => corpus.text(1)).toThrow(/row/);
  });
});

describe('writing that fails', () => {
  const names = () => readdir(directory);

  it.each([
    [
      'the same id twice',
      [
        { id: 'x', text: '1' },
        { id: 'x', text: '2' },
      ],
      /"x" twice/,
    ],
    ['no text', [{ id: 'x' }], /document 0, 'text'/],
  ])('on %s leaves nothing', async (_what, documents, message) => {
    const before = await names();
    const writing = writeCorpus(file('bad.arrow'), documents as CorpusDocument[]);
    await expect(writing).rejects.toMatchObject({ code: 'INVALID_DATA', message: expect.stringMatching(message) });
    expect(await names()).toEqual(before);
  });

  it('on a full disk leaves what was there before, and names the path', async () => {
    await writeCorpus(file('kept.arrow'), [{ id: 'old', text: 'old' }]);
    const before = await names();
    const probe = await open(file('kept.arrow'));
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    vi.spyOn(Object.getPrototypeOf(probe), 'write').mockRejectedValue(full);
    await probe.close();
    const writing = writeCorpus(file('kept.arrow'), [{ id: 'new', text: 'new' }]);
    await expect(writing).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining(file('kept.arrow')) });
    expect(await names()).toEqual(before);
    expect((await openCorpus(file('kept.arrow'))).id(0)).toBe('old');
  });

  it('on a missing directory says so', async () => {
    const path = file('none/a.arrow');
    await expect(writeCorpus(path, [])).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(path),
    });
  });

  it("on abort rejects with the signal's reason and leaves nothing", async () => {
    const before = await names();
    const controller = new AbortController();
    function* documents() {
      yield { id: '1', text: 't' };
      controller.abort(new Error('stopped'));
      yield { id: '2', text: 'u' };
    }
    const writing = writeCorpus(file('aborted.arrow'), documents(), { signal: controller.signal });
    await expect(writing).rejects.toThrow('stopped');
    expect(await names()).toEqual(before);
  });
});

describe('opening what is not a corpus', () => {
  it('tells a missing, a foreign, a truncated file, and one without text', async () => {
    await writeCorpus(file('whole.arrow'), [{ id: '1', text: 'text' }]);
    const whole = await readFile(file('whole.arrow'));
    await writeFile(file('cut.arrow'), whole.subarray(0, whole.length - 20));
    await writeFile(file('foreign.arrow'), '{"id":"1","text":"a line of JSON"}');
    await writeFile(file('numbers.arrow'), tableToIPC(tableFromArrays({ id: ['1'], body: ['t'] }), 'file'));
    await expect(openCorpus(file('none.arrow'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const cases: [string, RegExp][] = [
      ['cut.arrow', /truncated/],
      ['foreign.arrow', /begins with ARROW1/],
      ['numbers.arrow', /text column 'text', got the columns id, body/],
    ];
    for (const [name, message] of cases) {
      await expect(openCorpus(file(name))).rejects.toMatchObject({
        code: 'INVALID_FILE',
        message: expect.stringMatching(message),
      });
    }
  });
});
