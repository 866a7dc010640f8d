import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCorpus, writeCorpus, type Corpus } from '../../lib/data/corpus.ts';
import { openSamples, tokenizeCorpus } from '../../lib/data/samples.ts';
import { loadTokenizer } from '../../lib/data/tokenizer.ts';
import { tokenizeInto, type TokenizationOptions } from '../../lib/recipe/tokenization.ts';
import { temporaryDirectory } from '../data/helpers.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';

const directory = temporaryDirectory();
const file = (...names: string[]) => join(directory, ...names);
const CHILD = fileURLToPath(new URL('tokenize-child.mjs', import.meta.url));
/** The child has the same ones. */
const OPTIONS = {
  vocabulary: 290,
  length: 16,
  minTokens: 3,
  seed: 3,
  fractions: { train: 0.6, proxy: 0.2, target: 0.1, validation: 0.1 },
  shardRows: 40,
} satisfies TokenizationOptions;

let corpus: Corpus;
let library: CompiledLibrary;
beforeAll(async () => {
  const texts = Array.from({ length: 120 }, (_, i) => `document ${i} jumps over the lazy dog; `.repeat(i % 23));
  const documents = texts.map((text, i) => ({ id: `id-${i}`, text, domain: `d${i % 4}` }));
  await writeCorpus(file('corpus'), documents, { shardDocuments: 50 });
  corpus = await openCorpus(file('corpus'));
  library = await compileLibrary();
}, 180_000);
afterAll(() => library.remove());

/** Every file of a folder by name. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('base64')])),
  );
}

describe('tokenizeInto', () => {
  it('writes the rows of one file into shards, and reads them back as such', async () => {
    await tokenizeInto(file('shards'), corpus, OPTIONS);
    await tokenizeInto(file('one'), corpus, { ...OPTIONS, shardRows: undefined });
    const [sharded, single] = [await openSamples(file('shards')), await openSamples(file('one'))];
    const tokenizer = await loadTokenizer(file('one'));
    const inMemory = await tokenizeCorpus(corpus, tokenizer, OPTIONS);
    expect(await readdir(file('one'))).toEqual(['samples.arrow', 'tokenizer.json', 'tokenizer_config.json']);
    expect(sharded.shards!.map(({ count }) => count)).toEqual([
      ...Array.from({ length: sharded.shards!.length - 1 }, () => 40),
      single.count % 40 || 40,
    ]);
    expect([sharded.count, single.count]).toEqual([inMemory.count, inMemory.count]);
    for (let i = 0; i < inMemory.count; i++) {
      for (const samples of [sharded, single]) {
        expect(samples.tokens(i)).toEqual(inMemory.tokens(i));
        expect([samples.document(i), samples.domain(i), samples.split(i)]).toEqual([
          inMemory.document(i),
          inMemory.domain(i),
          inMemory.split(i),
        ]);
      }
    }
  });

  it('honours a tokenizer, a limit, and an empty corpus', async () => {
    const options = { ...OPTIONS, tokenizer: file('one'), limit: 30 };
    await tokenizeInto(file('given'), corpus, options);
    const samples = await openSamples(file('given'));
    expect(samples.document(samples.count - 1)).toBe(29);
    expect(await readFile(file('given', 'tokenizer.json'))).toEqual(await readFile(file('one', 'tokenizer.json')));
    await tokenizeInto(file('none'), corpus, { ...options, limit: 0 });
    expect((await openSamples(file('none'))).count).toBe(0);
    await expect(tokenizeInto(file('lost'), corpus, { ...options, tokenizer: file('lost') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it.each([0, 2 ** 25 + 1])('refuses %i rows a shard', async (shardRows) => {
    await expect(tokenizeInto(file('never'), corpus, { ...OPTIONS, shardRows })).rejects.toThrow('shardRows');
    expect(await readdir(directory)).not.toContain('never.partial');
  });

  it('goes on after an interruption, but not with other options', async () => {
    const controller = new AbortController();
    let trained = false;
    const onProgress = (what: string, done: number) => (trained ||= what === 'train tokenizer' && done === 100);
    const stopping: Corpus = {
      count: corpus.count,
      columns: corpus.columns,
      text(i: number) {
        if (trained && i === 60) controller.abort(new Error('stopped'));
        return corpus.text(i);
      },
      id: (i: number) => corpus.id(i),
      origin: (i: number) => corpus.origin(i),
      domain: (i: number) => corpus.domain(i),
      value: (column: string, i: number) => corpus.value(column, i),
    };
    const stopped = { ...OPTIONS, signal: controller.signal, onProgress };
    await expect(tokenizeInto(file('stopped'), stopping, stopped)).rejects.toThrow('stopped');
    expect(await readdir(directory)).not.toContain('stopped');
    for (const [name, other] of Object.entries({ length: 17, seed: 4, shardRows: 41, vocabulary: 291, limit: 9 })) {
      const call = tokenizeInto(file('stopped'), corpus, { ...OPTIONS, [name]: other });
      await expect(call).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(`${other}`),
      });
    }
    const changed = await openCorpus([file('corpus', 'corpus-00000-of-00003.arrow')]);
    await expect(tokenizeInto(file('stopped'), changed, OPTIONS)).rejects.toThrow('documents was 120, is 50');
    await tokenizeInto(file('stopped'), corpus, OPTIONS);
    expect(await contents(file('stopped'))).toEqual(await contents(file('shards')));
    expect(await readdir(directory)).not.toContain('stopped.partial');
  });
});

/**
 * Runs the child on `out`; SIGKILL falls when it has written `shards` of its own and `delay` ms are over. Resolves to
 * whether it was killed.
 */
async function tokenizeInChild(out: string, kill?: { shards: number; delay: number }): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, library.directory, file('corpus'), out], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let shards = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'shard' && ++shards === kill?.shards) setTimeout(() => child.kill('SIGKILL'), kill.delay);
  }
  const [status, signal] = (await closed) as [number | null, string | null];
  expect(signal ?? status).toBe(kill ? 'SIGKILL' : 0);
  return signal !== null;
}

describe('a tokenization killed with SIGKILL', () => {
  it('writes the missing shards, kill after kill, and ends with the same bits', { timeout: 180_000 }, async () => {
    const out = file('killed');
    for (const kill of [
      { shards: 1, delay: 0 },
      { shards: 1, delay: 6 },
      { shards: 2, delay: 11 },
    ])
      expect(await tokenizeInChild(out, kill)).toBe(true);
    const names = await readdir(`${out}.partial`);
    expect(names).toContain('samples-00002.arrow');
    // Half a file, as a kill in the middle of writing leaves it.
    await writeFile(join(`${out}.partial`, '.samples-00007.arrow.1-ab.tmp'), 'ARROW1');
    expect(await tokenizeInChild(out)).toBe(false);
    expect(await contents(out)).toEqual(await contents(file('shards')));
  });
});
