import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countHosts, readHosts, topHosts, writeHosts } from '../../lib/condition/host-table.ts';
import type { MetadataForm } from '../../lib/condition/metadata-forms.ts';
import { MetadataReader, type MetadataOptions } from '../../lib/condition/metadata-reader.ts';
import { PSEUDONYMS } from '../../lib/condition/pseudonyms.ts';
import { temporaryDirectory } from '../data/helpers.ts';

const directory = temporaryDirectory();
const URL = 'https://www.bbc.co.uk/news/1';

function read(options: MetadataOptions, document: Record<string, unknown>): string | null {
  return new MetadataReader(options).read((column) => document[column], 'document 7');
}

describe('MetadataReader', () => {
  it.each<[MetadataForm, string]>([
    ['url', URL],
    ['host', 'www.bbc.co.uk'],
    ['registrable-domain', 'bbc.co.uk'],
    ['suffix', 'co.uk'],
    ['hash', PSEUDONYMS.hash('www.bbc.co.uk')],
    ['uuid', PSEUDONYMS.uuid('www.bbc.co.uk')],
    ['top-hosts', 'unknown'],
  ])('form %s', (form, expected) => {
    expect(read({ form }, { url: URL })).toBe(expected);
    expect(read({ form, urlColumn: 'source' }, { source: URL })).toBe(expected);
  });

  it('takes names of hosts from a table first', () => {
    const names = new Map([['www.bbc.co.uk', 'the BBC']]);
    for (const form of ['hash', 'uuid', 'top-hosts'] as const)
      expect(read({ form, names }, { url: URL })).toBe('the BBC');
    expect(read({ form: 'top-hosts', names }, { url: 'http://other.org' })).toBe('unknown');
    expect(read({ form: 'hash', names }, { url: 'http://other.org' })).toBe(PSEUDONYMS.hash('other.org'));
  });

  it('fills templates with any columns', () => {
    const document = { url: URL, topic: 'sport', year: 1999, good: false };
    expect(read({ template: 'always this' }, document)).toBe('always this');
    expect(read({ template: '{topic}' }, document)).toBe('sport');
    expect(read({ template: '{url:suffix}, {topic} {{{year}}} {good}' }, document)).toBe('co.uk, sport {1999} false');
    const reader = new MetadataReader({ template: '{url:uuid} {topic} {url}' });
    expect(reader.columns).toEqual(['url', 'topic', 'url']);
    expect(reader.hostColumns).toEqual([{ column: 'url', form: 'uuid' }]);
  });

  it.each(['', '{', 'a}', '{}', '{:host}', '{url:nothing}', '{a{b}}'])('refuses the template %j', (template) => {
    expect(() => new MetadataReader({ template })).toThrow(/template|form of \{url\}/);
  });

  it('drops, replaces or refuses what is missing or malformed, and counts it', () => {
    const documents = [{ url: URL }, { url: null }, { url: '' }, {}, { url: 'garbage' }];
    const results = (options: MetadataOptions) => {
      const reader = new MetadataReader(options);
      const texts = documents.map((document) => reader.read((column) => document[column as 'url'], 'document'));
      return { texts, counts: reader.counts };
    };
    const counts = { given: 1, missing: 3, malformed: 1 };
    expect(results({})).toEqual({ texts: ['www.bbc.co.uk', null, null, null, null], counts });
    const unknown = Array.from({ length: 4 }, () => 'unknown');
    expect(results({ missing: 'unknown' })).toEqual({ texts: ['www.bbc.co.uk', ...unknown], counts });
    expect(results({ missing: 'unknown', template: '{url:host}!' }).texts[4]).toBe('unknown!');
    expect(() => read({ missing: 'fail' }, { url: 'garbage' })).toThrow(
      /document 7, column 'url': expected a URL to take its host of, got "garbage"; .*--missing/,
    );
    expect(() => read({ missing: 'fail', template: '{topic}' }, {})).toThrow(/column 'topic': expected a value/);
  });

  it('refuses options that there are not', () => {
    expect(() => read({ form: 'hosts' as MetadataForm }, {})).toThrow(/form: expected one of url, host/);
    expect(() => read({ missing: 'skip' as 'fail' }, {})).toThrow(/missing: expected one of/);
    expect(() => read({ form: 'host', template: 'x' }, {})).toThrow(/template: expected none beside form/);
  });
});

describe('PSEUDONYMS', () => {
  it('makes UUIDs of version 5 in the DNS name space', () => {
    // Python's documentation of uuid.uuid5(uuid.NAMESPACE_DNS, 'python.org').
    expect(PSEUDONYMS.uuid('python.org')).toBe('886313e1-3b8a-5372-9b90-0c9aee199e5d');
  });

  it('hashes by SHA-256', () => {
    expect(PSEUDONYMS.hash('abc')).toBe('ba7816bf8f01cfea');
  });
});

describe('tables of hosts', () => {
  it('counts hosts and passes over what has none', async () => {
    const urls = [
      'http://b.org/1',
      'http://a.org',
      'http://B.org',
      null,
      'garbage',
      3,
      'https://a.org/x',
      'http://c.org',
    ];
    expect([...(await countHosts(urls))].sort()).toEqual([
      ['a.org', 2],
      ['b.org', 2],
      ['c.org', 1],
    ]);
    const controller = new AbortController();
    controller.abort(new Error('stop'));
    const many = Array.from({ length: 5000 }, () => 'http://a.org');
    await expect(countHosts(many, { signal: controller.signal })).rejects.toThrow('stop');
  });

  it('takes the most frequent hosts, ties by name, whatever order they came in', () => {
    const counts = Object.entries({ d: 1, b: 2, a: 2, c: 5, e: 1 });
    for (const entries of [counts, counts.toReversed()]) {
      expect(topHosts(new Map(entries), 40)).toEqual(['c', 'a']);
      expect(topHosts(new Map(entries), 41)).toEqual(['c', 'a', 'b']);
      expect(topHosts(new Map(entries), 80)).toEqual(['c', 'a', 'b', 'd']);
      expect(topHosts(new Map(entries), 0.001)).toEqual(['c']);
      expect(topHosts(new Map(entries), 100)).toHaveLength(5);
    }
    const thousand = new Map(Array.from({ length: 1000 }, (_, i) => [`h${i}`, i + 1]));
    for (const percent of [0.1, 0.2, 0.3, 0.7, 2, 7, 14, 29, 57]) {
      expect(topHosts(thousand, percent)).toHaveLength(Math.round(10 * percent));
    }
    expect(() => topHosts(thousand, 0)).toThrow(/percent/);
    expect(() => topHosts(thousand, 101)).toThrow(/percent/);
  });

  it('comes back from its file', async () => {
    const path = join(directory, 'hosts.jsonl');
    const entries = Array.from({ length: 30_000 }, (_, i) => ({
      host: `h${i}.org`,
      documents: i,
      metadata: `m "${i}"`,
    }));
    await writeHosts(path, entries);
    expect(await readHosts(path)).toEqual(entries);
    await writeFile(path, '{"host":"a","metadata":"b"}\n\n{"host":"a"}\n');
    await expect(readHosts(path)).rejects.toThrow(/line 2/);
    await expect(readHosts(join(directory, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
