import { describe, expect, it } from 'vitest';
import { openCorpus, writeCorpus } from '../../lib/data/corpus.ts';
import { corpusDocuments } from '../../lib/data/corpus-documents.ts';
import { cutDocument } from '../../lib/data/pieces.ts';
import { temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
const text = Array.from({ length: 200 }, (_, i) => `word${i}`).join(' ');

describe('pieces of a document', () => {
  it('are cut between words and give back the text', () => {
    const pieces = [...cutDocument({ id: 'a', text, domain: 'd' }, { characters: 100, minCharacters: 1 })];
    expect(pieces.map(({ text }) => text).join(' ')).toBe(text);
    expect(pieces.map(({ id }) => id)).toEqual(pieces.map((_, i) => `a#${i}`));
    for (const piece of pieces) {
      expect(piece).toMatchObject({ origin: 'a', domain: 'd' });
      expect(piece.text.length).toBeLessThanOrEqual(100);
    }
  });

  it('without white space are cut anywhere but inside a character', () => {
    const smiles = '\u{1f600}'.repeat(50);
    const pieces = [...cutDocument({ id: 'a', text: smiles }, { characters: 7, minCharacters: 1 })];
    expect(pieces.map(({ text }) => text).join('')).toBe(smiles);
    for (const piece of pieces) expect(piece.text).toMatch(/^(\u{1f600})+$/u);
  });

  it('leave out short ones, keep their places, and may be few', () => {
    const all = [...cutDocument({ id: 'a', text }, { characters: 100 })];
    expect(all.every((piece) => piece.text.length >= 50)).toBe(true);
    const few = [...cutDocument({ id: 'a', text }, { characters: 100, perDocument: 3 })];
    expect(few).toHaveLength(3);
    for (const piece of few) expect(all).toContainEqual(piece);
    expect(few.at(-1)!.id).not.toBe('a#2');
    expect([...cutDocument({ id: 'a', text: 'short' }, { characters: 100 })]).toEqual([]);
  });

  it('of pieces belong to the whole, also on disk', async () => {
    const path = `${directory}/pieces.arrow`;
    const pieces = [...cutDocument({ id: 'a', text }, { characters: 500 })].flatMap((piece) => [
      ...cutDocument(piece, { characters: 100 }),
    ]);
    await writeCorpus(path, [...pieces, { id: 'whole', text: 'text' }]);
    const corpus = await openCorpus(path);
    expect(corpus.origin(0)).toBe('a');
    expect(corpus.origin(corpus.count - 1)).toBe('whole');
    expect([...corpusDocuments(corpus)]).toEqual([...pieces, { id: 'whole', text: 'text', origin: undefined }]);
    expect([...corpusDocuments(corpus, 2)]).toHaveLength(2);
  });
});
