import { describe, expect, it } from 'vitest';
import type { CorpusDocument } from '../../lib/data/corpus.ts';
import { CORRUPTIONS, corruptDocuments, type Corruption, type CorruptOptions } from '../../lib/data/corrupt.ts';
import { boilerplateLines } from '../../lib/data/corrupt/boilerplate.ts';
import { Draws } from '../../lib/data/corrupt/draws.ts';
import { WINDOWS_1252 } from '../../lib/data/corrupt/encoding.ts';
import { languageTexts } from '../../lib/data/corrupt/language.ts';
import { splitOf, type Split } from '../../lib/data/splits.ts';
import { randomUniform, streamOf } from '../../lib/random.ts';
import { collect } from './helpers.ts';

const FRACTIONS = { train: 0.4, proxy: 0.2, target: 0.2, validation: 0.2 };
const WORDS = 'the quick brown fox doesn\'t jump over a "lazy" dog - but sleeps near an old oak tree.'.split(' ');
const LANGUAGES = Array.from({ length: 12 }, (_, i) => ({
  language: `language ${i}`,
  text: `${String.fromCharCode(0x430 + i)}`.repeat(700),
}));

const documents: CorpusDocument[] = Array.from({ length: 3000 }, (_, i) => ({
  id: `document ${i}`,
  text: Array.from({ length: 40 }, (_, k) => WORDS[(i * 5 + k * (1 + (i % 7))) % WORDS.length]).join(gap(i)),
  domain: i % 2 ? 'odd' : 'even',
  ...(i % 3 === 0 && { label: i % 2 ? 'ham' : 'spam' }),
}));

/** Words are parted by spaces or lines. */
function gap(i: number): string {
  return i % 4 ? ' ' : '\n';
}

function corrupt(options: Partial<CorruptOptions> = {}, of: CorpusDocument[] = documents): Promise<CorpusDocument[]> {
  const shares = { train: 0.3, proxy: 0.3, validation: 0.5 };
  return collect(corruptDocuments(of, { seed: 7, shares, fractions: FRACTIONS, languages: LANGUAGES, ...options }));
}

const original = new Map(documents.map((document) => [document.id, document]));
const splitOfDocument = ({ id }: CorpusDocument): Split => splitOf(id, 7, FRACTIONS);
const shareOf = (found: CorpusDocument[], of: CorpusDocument[]): number => found.length / of.length;

it('draws are the numbers of the stream that a name stands for', () => {
  const draws = new Draws(2 ** 40 + 3, 'name');
  const drawn = Array.from({ length: 7 }, () => draws.uniform());
  expect(drawn).toEqual(drawn.map((_, i) => randomUniform(2 ** 40 + 3, streamOf('name'), i)));
});

describe('corrupted documents', () => {
  it('are the share asked for of each split, in equal parts; the others stay as they were', async () => {
    const all = await corrupt();
    expect(all.map(({ id }) => id)).toEqual(documents.map(({ id }) => id));
    for (const [split, share] of Object.entries({ train: 0.3, proxy: 0.3, target: 0, validation: 0.5 })) {
      const members = all.filter((document) => splitOfDocument(document) === split);
      const corrupted = members.filter(({ label }) => label === 'corrupted');
      expect(Math.abs(shareOf(corrupted, members) - share)).toBeLessThan(0.05);
    }
    const corrupted = all.filter(({ label }) => label === 'corrupted');
    for (const kind of CORRUPTIONS) {
      const part = shareOf(
        corrupted.filter(({ corruption }) => corruption === kind),
        corrupted,
      );
      expect(Math.abs(part - 1 / CORRUPTIONS.length)).toBeLessThan(0.04);
    }
    for (const document of all) {
      const clean = document.text === original.get(document.id)!.text;
      expect([document.label, document.corruption === 'none']).toEqual([clean ? 'clean' : 'corrupted', clean]);
    }
  });

  it('keep their metadata, a label they had under another name', async () => {
    for (const document of await corrupt()) {
      const { label, domain } = original.get(document.id)!;
      expect(document.domain).toBe(domain);
      expect(document.original_label).toBe(label);
    }
  });

  it('depend on the seed and their id, not on their order, their company or how often it is done', async () => {
    const all = await corrupt();
    expect(await corrupt()).toEqual(all);
    expect((await corrupt({}, documents.toReversed())).toReversed()).toEqual(all);
    const shard = documents.filter((_, i) => i % 3 === 1);
    expect(await corrupt({}, shard)).toEqual(all.filter((_, i) => i % 3 === 1));
    expect(await corrupt({ seed: 8 })).not.toEqual(all);
  });

  it('stay corrupted in the same way when the share grows', async () => {
    const few = await corrupt({ shares: { train: 0.1 } });
    const many = await corrupt({ shares: { train: 0.6 } });
    const corrupted = few.flatMap((document, i) => (document.label === 'corrupted' ? [i] : []));
    expect(corrupted.length).toBeGreaterThan(50);
    for (const i of corrupted) expect(many[i]).toEqual(few[i]);
  });

  it('stay clean where there is nothing to corrupt', async () => {
    const short = Array.from({ length: 50 }, (_, i) => ({ id: `${i}`, text: i % 2 ? 'word' : '' }));
    const all = await corrupt({ shares: { train: 1, proxy: 1, target: 1, validation: 1 }, kinds: ['shuffle'] }, short);
    expect(new Set(all.map(({ label }) => label))).toEqual(new Set(['clean']));
    expect(all.map(({ text }) => text)).toEqual(short.map(({ text }) => text));
  });
});

describe('each corruption does what it says:', () => {
  const only = (kind: Corruption): Promise<CorpusDocument[]> =>
    corrupt({ kinds: [kind], shares: { train: 1, proxy: 1, target: 1, validation: 1 } });

  it('shuffle keeps the words and the white space, and changes the order', async () => {
    for (const { id, text } of await only('shuffle')) {
      const before = original.get(id)!.text;
      expect(text).not.toBe(before);
      expect(text.split(/\s/).sort()).toEqual(before.split(/\s/).sort());
      expect(text.replace(/\S+/g, '')).toBe(before.replace(/\S+/g, ''));
    }
  });

  it('characters substitutes 10-20% of them by printable ones', async () => {
    const shares = (await only('characters')).map(({ id, text }) => {
      const before = original.get(id)!.text;
      expect(text.length).toBe(before.length);
      expect(text).toMatch(/^[\x20-\x7e\n]*$/);
      return Array.from(text).filter((character, i) => character !== before[i]).length / text.length;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(Math.abs(mean - 0.15)).toBeLessThan(0.005);
    // Each draws a share of its own, so the spread is that of the shares and of the counts.
    expect(Math.min(...shares)).toBeLessThan(0.09);
    expect(Math.max(...shares)).toBeGreaterThan(0.21);
  });

  it('encoding is undone by reading the text in the encoding that it was misread in', async () => {
    const readers = new Set<string>();
    const plain = (text: string): string =>
      text
        .normalize('NFD')
        .replace(/\p{M}/gu, '')
        .replace(/[‘’]/g, "'")
        .replace(/[“”]/g, '"')
        .replace(/[–—]/g, '-')
        .replace(/…/g, '.');
    const fromWindows = new Map(
      Array.from({ length: 256 }, (_, byte) => [WINDOWS_1252[byte - 0x80] ?? String.fromCharCode(byte), byte]),
    );
    for (const { id, text } of await only('encoding')) {
      const latin1 = Array.from(text).every((character) => character.codePointAt(0)! < 256);
      const bytes = latin1 ? Buffer.from(text, 'latin1') : Buffer.from(Array.from(text, (c) => fromWindows.get(c)!));
      const accented = bytes.toString('utf8');
      readers.add(latin1 ? 'latin1' : 'windows-1252');
      expect(plain(accented)).toBe(original.get(id)!.text);
      expect(text).toMatch(/[Ãâ]/);
    }
    expect(readers.size).toBe(2);
    // “é…” in UTF-8 is e2 80 9c, c3 a9, e2 80 a6, e2 80 9d.
    expect(
      Array.from(Buffer.from('“é…”'), (byte) => WINDOWS_1252[byte - 0x80] ?? String.fromCharCode(byte)).join(''),
    ).toBe('â€œÃ©â€¦â€\x9d');
    expect(WINDOWS_1252).toHaveLength(32);
  });

  it('boilerplate repeats one line, at the length of the text', async () => {
    const lines = [...boilerplateLines(false), ...boilerplateLines(true)];
    for (const { id, text } of await only('boilerplate')) {
      expect(text.length).toBe(original.get(id)!.text.length);
      const whole = lines.filter((line) => `${line}\n`.repeat(20).includes(text));
      expect(whole).toHaveLength(1);
    }
  });

  it('language puts a passage of another language in the place of the text', async () => {
    for (const { id, text } of await only('language')) {
      expect(text.length).toBe(original.get(id)!.text.length);
      expect(LANGUAGES.some((language) => language.text.includes(text))).toBe(true);
    }
    const long = { id: 'long', text: 'x'.repeat(5000) };
    const [{ text }] = await corrupt(
      { kinds: ['language'], shares: { train: 1, proxy: 1, target: 1, validation: 1 } },
      [long],
    );
    expect(text.length).toBe(5000);
  });
});

describe('what evaluation is corrupted with', () => {
  it('are lines and languages that occur nowhere else', async () => {
    const seen = new Map<boolean, Set<string>>([true, false].map((heldOut) => [heldOut, new Set<string>()]));
    const shares = { train: 1, proxy: 1, target: 1, validation: 1 };
    for (const document of await corrupt({ kinds: ['language', 'boilerplate'], shares })) {
      const heldOut = ['target', 'validation'].includes(splitOfDocument(document));
      const lines = boilerplateLines(heldOut);
      const texts = languageTexts(heldOut, LANGUAGES);
      const source =
        document.corruption === 'language'
          ? texts.find(({ text }) => text.includes(document.text))?.language
          : lines.find((line) => `${line}\n`.repeat(20).includes(document.text));
      expect(source).toBeDefined();
      seen.get(heldOut)!.add(source!);
    }
    expect(seen.get(true)!.size).toBeGreaterThan(15);
    expect([...seen.get(true)!].filter((source) => seen.get(false)!.has(source))).toEqual([]);
  });

  it('needs texts of both kinds of languages', async () => {
    const [{ language, text }] = languageTexts(true, LANGUAGES);
    await expect(corrupt({ languages: [{ language, text }] })).rejects.toThrow(
      /languages: expected a text for other than held-out documents.*give texts of more languages/,
    );
  });
});

describe('pieces', () => {
  it('are corrupted one by one and split with the whole', async () => {
    const text = Array.from({ length: 3000 }, (_, i) => WORDS[i % WORDS.length]).join(' ');
    const books = Array.from({ length: 10 }, (_, i) => ({ id: `book ${i}`, text }));
    const pieces = await corrupt({ pieces: { characters: 300 }, shares: { train: 0.5, proxy: 0.5 } }, books);
    for (const { id } of books) {
      const own = pieces.filter(({ origin }) => origin === id);
      const split = splitOf(id, 7, FRACTIONS);
      const corrupted = own.filter(({ label }) => label === 'corrupted').length;
      expect(own.length).toBeGreaterThan(40);
      if (split === 'train' || split === 'proxy') expect(Math.abs(corrupted / own.length - 0.5)).toBeLessThan(0.25);
      else expect(corrupted).toBe(0);
    }
  });
});

describe('misuse', () => {
  it.each([
    ['a share above 1', { shares: { train: 1.5 } }, /shares\.train: expected a finite number >= 0 and <= 1, got 1\.5/],
    ['an unknown split', { shares: { test: 0.1 } as object }, /shares: expected splits among train, proxy/],
    ['no corruption', { kinds: [] }, /kinds: expected at least one corruption/],
    [
      'an unknown corruption',
      { kinds: ['ocr' as Corruption] },
      /kinds: expected some of shuffle, characters.* got "ocr"/,
    ],
  ])('%s', async (_what, options, message) => {
    await expect(corrupt(options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });
});
