import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeCorpus } from '../../lib/data/corpus.ts';
import { openSamples, type PackedSamples } from '../../lib/data/samples.ts';
import { loadTokenizer, trainTokenizer } from '../../lib/data/tokenizer.ts';
import { temporaryDirectory } from '../data/helpers.ts';
import { gradfold } from '../support/cli.ts';

const directory = temporaryDirectory();
const file = (...names: string[]) => join(directory, ...names);

beforeAll(async () => {
  const text = 'the quick brown fox jumps over the lazy dog ';
  const documents = Array.from({ length: 80 }, (_, i) => ({
    id: `id-${i}`,
    text: text.repeat(1 + (i % 5)),
    topic: `topic ${i % 2}`,
    url: `https://host${i % 3}.org/${i}`,
  }));
  await writeCorpus(file('corpus.arrow'), documents);
  await trainTokenizer([text], { vocabularySize: 280 }).save(file('tokenizer'));
});

const condition = (out: string, ...options: string[]) =>
  gradfold([
    'condition',
    file('corpus.arrow'),
    ...['--tokenizer', file('tokenizer'), '--length', '64', '--out', file(out)],
    ...options,
  ]);

const metadataOf = async (out: string) => {
  const samples = (await openSamples(file(out, 'conditioned'))) as PackedSamples;
  return new Set(
    Array.from(samples.rows('train')).flatMap((row) => samples.pieces(row).map(({ metadata }) => metadata)),
  );
};

describe('gradfold condition', () => {
  it('writes both tables and says what became of the documents', async () => {
    const { status, stdout, stderr } = await condition('plainly');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/80 documents in 1 shards; metadata given 80, missing 0, malformed 0/);
    expect(stdout).toMatch(/^conditioned +\d+ +\d+/m);
    expect([...(await metadataOf('plainly'))].sort()).toEqual(['host0.org', 'host1.org', 'host2.org']);
    expect(await readdir(file('plainly'))).toContain('tokenizer.json');
    const again = await condition('plainly');
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('--force')]);
  });

  it('takes templates, prefixes with escapes, and prints JSON', async () => {
    const options = ['--template', '{topic} at {url:suffix}', '--prefix', '<', '--suffix', '>\\n', '--pack', 'pack'];
    const { status, stdout } = await condition('templates', ...options, '--cooldown', '0', '--limit', '50', '--json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as { documents: number; plain: { rows: number }; conditioned: { rows: number } };
    expect([report.documents, report.plain.rows]).toEqual([50, 0]);
    const samples = (await openSamples(file('templates', 'conditioned'))) as PackedSamples;
    expect(samples.rows('train')).toHaveLength(report.conditioned.rows);
    expect([...(await metadataOf('templates'))].sort()).toEqual(['topic 0 at org', 'topic 1 at org']);
    const tokens = samples.tokens(samples.rows('train')[0]);
    const tokenizer = await loadTokenizer(file('templates'));
    expect(tokenizer.decode(tokens)).toMatch(/^<\|endoftext\|><topic \d at org>\nthe quick/);
  });

  it('goes on where a call failed over missing metadata, and starts afresh when asked', async () => {
    const documents = Array.from({ length: 20 }, (_, i) => ({
      id: `n-${i}`,
      text: 'a fox',
      ...(i < 15 && { url: 'b.org' }),
    }));
    await writeCorpus(file('gaps.arrow'), documents);
    const call = (...options: string[]) =>
      gradfold([
        ...['condition', file('gaps.arrow'), '--tokenizer', file('tokenizer'), '--length', '16', '-o', file('gaps')],
        ...['--threads', '1', ...options],
      ]);
    const status = async (...options: string[]) => (await call(...options)).status;
    expect(await status('--missing', 'fail')).toBe(1);
    expect(await status('--missing', 'unknown')).toBe(0);
    expect(await status('--missing', 'fail', '--force', '--shard-documents', '5')).toBe(1);
    const refused = await call('--missing', 'unknown', '--shard-documents', '5');
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/another run: .*condition --force does/),
    ]);
    expect(await status('--missing', 'unknown', '--shard-documents', '5', '--force')).toBe(0);
  });

  it('refuses what contradicts itself or is not there', async () => {
    for (const [options, status, message] of [
      [['--template', '{topic}', '--metadata', 'host'], 2, /at most one of --metadata and --template/],
      [['--metadata', 'hosts'], 2, /Allowed choices are url, host/],
      [['--pack', 'first-fit'], 2, /Allowed choices are pack, pack-complete, best-fit/],
      [['--url-column', 'link'], 1, /column of metadata: expected one of .*--url-column/],
      [['--hosts', 'hosts.jsonl'], 1, /hosts.jsonl/],
      [['--top', '3'], 1, /--top.*expected none but for the form 'top-hosts'/],
      [['--cooldown', '2'], 2, /--cooldown.*expected a number >= 0 and <= 1/],
    ] as const) {
      const result = await condition('refused', ...options);
      expect(result.stderr).toMatch(message);
      expect(result.status).toBe(status);
    }
  });
});
