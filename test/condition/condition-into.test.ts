import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionDocument } from '../../lib/condition/condition-document.ts';
import { conditionInto, type ConditionIntoOptions } from '../../lib/condition/condition-into.ts';
import { isHeldBack } from '../../lib/condition/condition-shard.ts';
import { readHosts } from '../../lib/condition/host-table.ts';
import { packDocuments } from '../../lib/condition/pack-documents.ts';
import { PACK_STRATEGIES } from '../../lib/condition/pack/row-packer.ts';
import { hostOf } from '../../lib/condition/url.ts';
import { openCorpus, writeCorpus, type Corpus } from '../../lib/data/corpus.ts';
import { openSamples, splitOf, SPLITS, type PackedSamples, type Samples } from '../../lib/data/samples.ts';
import { loadTokenizer, trainTokenizer, type Tokenizer } from '../../lib/data/tokenizer.ts';
import { randomUint32 } from '../../lib/random.ts';
import { temporaryDirectory } from '../data/helpers.ts';
import { compileLibrary, type CompiledLibrary } from '../support/compile-library.ts';
import { runChild } from '../support/killed-child.ts';

const directory = temporaryDirectory();
const file = (...names: string[]) => join(directory, ...names);
const CHILD = fileURLToPath(new URL('condition-child.mjs', import.meta.url));
const DOCUMENTS = 600;
const OPTIONS: ConditionIntoOptions = {
  tokenizer: file('tokenizer'),
  length: 32,
  seed: 3,
  cooldown: 0.25,
  fractions: { train: 0.7, proxy: 0, target: 0.1, validation: 0.2 },
};

let corpus: Corpus;
let tokenizer: Tokenizer;
beforeAll(async () => {
  const words = 'ants walk along the path one after another and bees fly over it'.split(' ');
  const documents = Array.from({ length: DOCUMENTS }, (_, i) => {
    const draw = (index: number, below: number) => randomUint32(1, i, index) % below;
    const text = Array.from({ length: draw(0, 60) }, (_, w) => words[draw(10 + w, words.length)]).join(' ');
    const host = `host${draw(1, 12) * draw(2, 3)}.example${draw(3, 2)}.org`;
    const url = draw(4, 20) === 0 ? (draw(5, 2) ? undefined : 'garbage') : `https://${host}/page/${i}`;
    return { id: `id-${i}`, text, domain: `d${i % 4}`, ...(url && { url }) };
  });
  await writeCorpus(file('corpus.arrow'), documents);
  await writeCorpus(file('sharded'), documents, { shardDocuments: 70 });
  corpus = await openCorpus(file('corpus.arrow'));
  tokenizer = trainTokenizer(
    documents.map(({ text }) => text),
    { vocabularySize: 300 },
  );
  await tokenizer.save(file('tokenizer'));
});

/** Every file of a folder and its folders, by path. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.includes('.')).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('base64')])),
  );
}

const open = async (folder: string, table: string): Promise<PackedSamples> =>
  (await openSamples(file(folder, table))) as PackedSamples;

const rowsOf = (samples: Samples, split: 'train' | 'validation') =>
  Array.from(samples.rows(split), (row) => (samples as PackedSamples).row(row));

const hostIn = (document: number) => hostOf(String(corpus.value('url', document) ?? ''));

describe('conditionInto', () => {
  it.each(PACK_STRATEGIES)(
    '%s: packs training documents with their hosts, others of them without',
    async (strategy) => {
      const out = `whole-${strategy}`;
      const report = await conditionInto(file(out), file('corpus.arrow'), { ...OPTIONS, strategy });
      const split = (i: number) => splitOf(corpus.id(i), OPTIONS.seed, OPTIONS.fractions);
      const train = Array.from({ length: DOCUMENTS }, (_, i) => i).filter((i) => split(i) === 'train');
      const held = train.filter((i) => isHeldBack(corpus.id(i), OPTIONS.seed, OPTIONS.cooldown!));
      expect(held.length / train.length).toBeGreaterThan(0.15);
      expect(held.length / train.length).toBeLessThan(0.35);
      const seen = new Set(held);
      for (const [name, documents] of Object.entries({ conditioned: train.filter((i) => !seen.has(i)), plain: held })) {
        const conditioned = documents.map((i) =>
          conditionDocument(corpus.text(i), name === 'plain' ? null : hostIn(i), { tokenizer }),
        );
        const { rows, counts } = packDocuments(conditioned, { length: 32, strategy });
        const samples = await open(out, name);
        expect(samples.length).toBe(32);
        const found = Array.from(samples.rows('train'), (row) => {
          const pieces = samples.pieces(row);
          for (const { document, domain, metadata } of pieces) {
            expect([domain, metadata]).toEqual([corpus.domain(document), hostIn(document)]);
          }
          expect(samples.domain(row)).toBe(
            new Set(pieces.map(({ domain }) => domain)).size === 1 ? pieces[0].domain : 'several',
          );
          expect(samples.document(row)).toBe(pieces[0].document);
          expect(samples.tokens(row)).toEqual(samples.row(row).inputIds);
          expect(pieces.at(-1)!.end).toBe(samples.tokens(row).length);
          const { inputIds, labels, documentIds } = samples.row(row);
          return {
            inputIds,
            labels: Int32Array.from(labels),
            documentIds: Int32Array.from(documentIds),
            documents: pieces.map(({ document }) => documents.indexOf(document)),
            starts: pieces.map(({ start }) => start),
          };
        });
        expect(found).toEqual(rows);
        expect(report[name as 'plain']).toEqual(counts);
      }
      const urls = Array.from({ length: DOCUMENTS }, (_, i) => corpus.value('url', i));
      const malformed = urls.filter((url) => url === 'garbage').length;
      const missing = urls.filter((url) => url === null).length;
      expect(report).toMatchObject({
        documents: DOCUMENTS,
        shards: 1,
        metadata: { given: DOCUMENTS - missing - malformed, missing, malformed },
      });
      expect(JSON.parse(await readFile(file(out, 'condition.json'), 'utf8'))).toEqual(report);
      expect((await loadTokenizer(file(out))).encode('ants')).toEqual(tokenizer.encode('ants'));
      expect((await readdir(file(out))).sort()).toEqual([
        'condition.json',
        'conditioned',
        'plain',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
    },
  );

  it('has the same rows to evaluate on with metadata and without', async () => {
    const [conditioned, plain] = [await open('whole-pack', 'conditioned'), await open('whole-pack', 'plain')];
    const predicted = new Map<number, number[]>();
    for (const split of SPLITS.filter((name) => name !== 'train')) {
      const [a, b] = [conditioned.rows(split), plain.rows(split)];
      expect(a.length).toBe(b.length);
      a.forEach((row, k) => {
        const [one, other] = [conditioned.row(row), plain.row(b[k])];
        const [piece] = conditioned.pieces(row);
        expect([conditioned.pieces(row).length, plain.pieces(b[k]).length]).toEqual([1, 1]);
        expect({ ...plain.pieces(b[k])[0], end: 0 }).toEqual({ ...piece, end: 0 });
        expect(splitOf(corpus.id(piece.document), OPTIONS.seed, OPTIONS.fractions)).toBe(split);
        const targets = Array.from(one.labels).filter((label) => label !== -100);
        expect(Array.from(other.labels).filter((label) => label !== -100)).toEqual(targets);
        const host = hostIn(piece.document);
        const context = host === null ? [] : [...tokenizer.encode(`URL: ${host}\n\n`)];
        const begin = tokenizer.beginOfTextId!;
        expect([...Array.from(one.inputIds)]).toEqual([begin, ...context, ...targets]);
        expect([...Array.from(other.inputIds)]).toEqual([begin, ...targets]);
        predicted.set(piece.document, [...(predicted.get(piece.document) ?? []), ...targets]);
      });
    }
    for (const [document, tokens] of predicted) {
      expect(tokens).toEqual([...tokenizer.encode(corpus.text(document)), tokenizer.endOfTextId!]);
    }
    const others = Array.from({ length: DOCUMENTS }, (_, i) => splitOf(corpus.id(i), OPTIONS.seed, OPTIONS.fractions));
    expect(predicted.size).toBe(others.filter((split) => split !== 'train').length);
  });

  it('packs every shard by itself: in any files, a table is its shards one after the other', async () => {
    const options = { ...OPTIONS, shardDocuments: 100 };
    await conditionInto(file('shards'), file('corpus.arrow'), options);
    await conditionInto(file('from-shards'), file('sharded'), options);
    expect(await contents(file('from-shards'))).toEqual(await contents(file('shards')));
    const samples = await open('shards', 'conditioned');
    expect(samples.shards).toHaveLength(6);
    for (const [s, { start, count }] of samples.shards!.entries()) {
      for (let row = start; row < start + count; row++) {
        for (const { document } of samples.pieces(row)) expect(Math.floor(document / 100)).toBe(s);
      }
    }
    // The other order of work: the same files.
    await conditionInto(file('one'), file('corpus.arrow'), { ...options, limit: 100 });
    const [first] = samples.shards!;
    const alone = await open('one', 'conditioned');
    expect(alone.count).toBe(first.count);
    for (let row = 0; row < alone.count; row++) expect(alone.row(row)).toEqual(samples.row(row));
  });

  it('writes and reads tables of hosts', async () => {
    const options = { ...OPTIONS, topPercent: 10, metadata: 'top-hosts' as const };
    await conditionInto(file('top'), file('corpus.arrow'), options);
    const hosts = await readHosts(file('top', 'hosts.jsonl'));
    const counts = new Map<string, number>();
    for (let i = 0; i < DOCUMENTS; i++) {
      const host = hostIn(i);
      if (host !== null) counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    expect(new Map(hosts.map(({ host, documents }) => [host, documents]))).toEqual(counts);
    const named = hosts.filter(({ metadata }) => metadata !== 'unknown');
    expect(named).toEqual(hosts.slice(0, Math.ceil(counts.size / 10)));
    const top = await open('top', 'conditioned');
    const texts = new Set(
      Array.from(top.rows('train')).flatMap((row) => top.pieces(row).map(({ metadata }) => metadata)),
    );
    expect([...texts].sort()).toEqual([...named.map(({ host }) => host), 'unknown', null].sort());

    await conditionInto(file('uuid'), file('corpus.arrow'), { ...OPTIONS, metadata: 'uuid' });
    const names = new Map((await readHosts(file('uuid', 'hosts.jsonl'))).map(({ host, metadata }) => [host, metadata]));
    const uuids = await open('uuid', 'conditioned');
    for (const row of uuids.rows('train')) {
      for (const { document, metadata } of uuids.pieces(row)) {
        expect(metadata).toBe(names.get(hostIn(document)!) ?? null);
      }
    }
    // A table that was saved, of another kind, stands for the hosts that it has.
    const given = { ...OPTIONS, metadata: 'hash' as const, hosts: file('uuid', 'hosts.jsonl') };
    await conditionInto(file('given'), file('corpus.arrow'), given);
    const { 'hosts.jsonl': table, ...rest } = await contents(file('given'));
    const { 'hosts.jsonl': original, ...expected } = await contents(file('uuid'));
    expect([table, rest]).toEqual([original, expected]);
  });

  it('leaves metadata out altogether, or cross documents, where it is told to', async () => {
    const report = await conditionInto(file('none'), file('corpus.arrow'), { ...OPTIONS, metadata: 'none' });
    expect(report.conditioned).toBeNull();
    expect(await readdir(file('none'))).not.toContain('conditioned');
    expect(report.plain.documents + report.evaluation.documents).toBe(DOCUMENTS);
    const all = await conditionInto(file('all'), file('corpus.arrow'), { ...OPTIONS, cooldown: 0 });
    expect([all.conditioned!.documents, all.plain.rows]).toEqual([report.plain.documents, 0]);

    const crossing = { ...OPTIONS, crossDocumentAttention: true };
    await conditionInto(file('crossing'), file('corpus.arrow'), crossing);
    const [crossed, apart] = [await open('crossing', 'plain'), await open('whole-best-fit', 'plain')];
    for (const row of crossed.rows('train')) {
      const { documentIds } = crossed.row(row);
      expect(Array.from(documentIds)).toEqual(Array.from(documentIds, () => 0));
      expect(crossed.pieces(row)).toEqual(apart.pieces(row));
    }
    const within = await openSamples(file('crossing', 'plain'), { crossDocumentAttention: false });
    expect(rowsOf(within, 'train')).toEqual(rowsOf(apart, 'train'));
  });

  it('leaves out evaluation documents whose metadata fill a row, and counts them', async () => {
    const template = '{url} and much more that nobody needs, again and again and again and again and again and again';
    const report = await conditionInto(file('long'), file('corpus.arrow'), { ...OPTIONS, template });
    expect(report.evaluation.withoutRoom).toBeGreaterThan(0);
    expect(report.evaluation.withoutRoom).toBeLessThanOrEqual(report.evaluation.documents);
  });

  it('takes an empty corpus', async () => {
    const report = await conditionInto(file('empty'), file('corpus.arrow'), { ...OPTIONS, limit: 0 });
    expect([report.documents, report.shards, report.plain.rows]).toEqual([0, 1, 0]);
    expect((await open('empty', 'conditioned')).count).toBe(0);
  });

  it('says what is wrong before it writes anything', async () => {
    const call = (options: Partial<ConditionIntoOptions>) =>
      conditionInto(file('never'), file('corpus.arrow'), { ...OPTIONS, ...options });
    await expect(call({ urlColumn: 'link' })).rejects.toThrow(/urlColumn|--url-column/);
    await expect(call({ template: '{topic}' })).rejects.toThrow(/topic/);
    await expect(call({ template: '{url:uuid} {url:hash}' })).rejects.toThrow(/template: expected one kind of names/);
    await expect(call({ metadata: 'none', template: 'x' })).rejects.toThrow(/template/);
    const hosts = file('uuid', 'hosts.jsonl');
    await expect(call({ hosts })).rejects.toThrow(/hosts \(--hosts\): expected none/);
    await expect(call({ hosts, metadata: 'none' })).rejects.toThrow(/hosts \(--hosts\): expected none/);
    await expect(call({ topPercent: 5 })).rejects.toThrow(/topPercent \(--top\): expected none/);
    await expect(call({ topPercent: 5, hosts, metadata: 'top-hosts' })).rejects.toThrow(/topPercent \(--top\)/);
    await expect(call({ suffixes: ' ' } as never)).rejects.toThrow(/options: .*got "suffixes"/);
    await expect(call({ cooldown: 1.5 })).rejects.toThrow(/cooldown/);
    await expect(call({ length: 1 })).rejects.toThrow(/length/);
    const there = conditionInto(file('whole-pack'), file('corpus.arrow'), OPTIONS);
    await expect(there).rejects.toThrow(/dir: expected a folder that is not there yet/);
    await expect(call({ tokenizer: file('nowhere') })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await readdir(directory)).filter((name) => name.startsWith('never'))).toEqual([]);
    await expect(call({ missing: 'fail' })).rejects.toThrow(/document "id-\d+", column 'url'/);
  });

  it('can be called with other options where no shard is done', async () => {
    const call = (options: Partial<ConditionIntoOptions>) =>
      conditionInto(file('mended'), file('corpus.arrow'), { ...OPTIONS, metadata: 'uuid', ...options });
    await expect(call({ missing: 'fail' })).rejects.toThrow(/--missing/);
    expect(await readdir(file('mended.partial'))).toContain('hosts.jsonl');
    const report = await call({ missing: 'unknown', metadata: 'host' });
    expect(report.metadata.missing).toBeGreaterThan(0);
    await conditionInto(file('unhurt'), file('corpus.arrow'), { ...OPTIONS, missing: 'unknown' });
    expect(await contents(file('mended'))).toEqual(await contents(file('unhurt')));
  });

  it('goes on after an interruption, but not with other options', async () => {
    const controller = new AbortController();
    const options = { ...OPTIONS, shardDocuments: 100 };
    const onProgress = (_what: string, done: number) => {
      if (done >= 300) controller.abort(new Error('stopped'));
    };
    const stopped = conditionInto(file('stopped'), file('corpus.arrow'), {
      ...options,
      signal: controller.signal,
      onProgress,
    });
    await expect(stopped).rejects.toThrow('stopped');
    expect(await readdir(directory)).not.toContain('stopped');
    for (const [name, other] of Object.entries({
      length: 33,
      seed: 4,
      cooldown: 0.3,
      prefix: 'U: ',
      shardDocuments: 110,
      strategy: 'pack',
    })) {
      const call = conditionInto(file('stopped'), file('corpus.arrow'), { ...options, [name]: other });
      await expect(call).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(new RegExp(`is ${other}.*--force`)) as string,
      });
    }
    await conditionInto(file('stopped'), file('corpus.arrow'), options);
    expect(await contents(file('stopped'))).toEqual(await contents(file('shards')));
    expect(await readdir(directory)).not.toContain('stopped.partial');
  });
});

describe('in a process of its own', () => {
  const options = { ...OPTIONS, shardDocuments: 20, metadata: 'uuid' as const };
  let library: CompiledLibrary;
  beforeAll(async () => {
    library = await compileLibrary();
    await conditionInto(file('many-shards'), file('corpus.arrow'), options);
  }, 180_000);
  afterAll(() => library.remove());

  const run = (out: string, threads: number, kill?: { ticks: number; delay: number }) =>
    runChild(
      [CHILD, library.directory, file('corpus.arrow'), file(out), JSON.stringify({ ...options, threads })],
      kill,
    );

  it('makes the same bits with several threads', { timeout: 180_000 }, async () => {
    expect(await run('threads', 3)).toBe('ok');
    expect(await contents(file('threads'))).toEqual(await contents(file('many-shards')));
  });

  it.each([1, 2])(
    'killed with SIGKILL, again and again, it ends with the same bits (threads: %i)',
    { timeout: 180_000 },
    async (threads) => {
      const out = `killed-${threads}`;
      for (const kill of [
        { ticks: 1, delay: 0 },
        { ticks: 2, delay: 3 },
        { ticks: 4, delay: 1 },
      ]) {
        expect(await run(out, threads, kill)).toBeUndefined();
      }
      // Half a file, as a kill in the middle of writing leaves it.
      await writeFile(file(`${out}.partial`, 'plain', '.packed-00009-of-00030.arrow.1-ab.tmp'), 'ARROW1');
      expect(await run(out, threads)).toBe('ok');
      expect(await contents(file(out))).toEqual(await contents(file('many-shards')));
    },
  );

  it('tells of an error in a thread as of one here', { timeout: 180_000 }, async () => {
    const { conditionInto: compiled } = (await import(join(library.directory, 'index.js'))) as {
      conditionInto: typeof conditionInto;
    };
    const failing = { ...options, metadata: 'host' as const, missing: 'fail' as const, threads: 2 };
    await expect(compiled(file('failing'), file('corpus.arrow'), failing)).rejects.toMatchObject({
      name: 'GradfoldError',
      code: 'INVALID_DATA',
      message: expect.stringContaining("column 'url'"),
    });
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('stopped'));
    const stopping = { ...options, threads: 2, signal: controller.signal, onProgress };
    await expect(compiled(file('aborted'), file('corpus.arrow'), stopping)).rejects.toThrow('stopped');
  });
});
