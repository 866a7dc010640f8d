import { expect, test } from 'vitest';
import { trainTokenizer, type Tokenizer } from '../../lib/data/tokenizer.ts';
import { wordStarts } from '../../lib/data/word-starts.ts';

test('a word begins with white space, as a byte-level tokenizer spells it, and with special tokens', () => {
  const tokenizer = trainTokenizer(['the cat and the hat\n', 'the man, the dog'], { vocabularySize: 280 });
  const starts = new Set(wordStarts(tokenizer));
  const isStart = (text: string) => {
    const [id] = tokenizer.encode(text);
    return starts.has(id);
  };
  expect(tokenizer.decode(tokenizer.encode(' the').slice(0, 1))).toBe(' the');
  expect([' the', ' ', '\n', '\t'].map(isStart)).toEqual([true, true, true, true]);
  expect(['the', 'a', ',', '7'].map(isStart)).toEqual([false, false, false, false]);
  expect(starts.has(tokenizer.endOfTextId!)).toBe(true);
  expect([...starts]).toEqual([...starts].sort((a, b) => a - b));
});

test('a tokenizer that strips the space of the first token is asked after another one', () => {
  // As WordPiece: a token begins a word unless it is spelled with ##.
  const tokens = ['a', 'cat', '##s', '[SEP]'];
  const wordPiece = {
    ...{ vocabularySize: tokens.length, specialIds: [3] },
    encode: () => Int32Array.of(0),
    decode: (ids: ArrayLike<number>) =>
      Array.from(ids, (id) => tokens[id])
        .join(' ')
        .replaceAll(' ##', ''),
  } as unknown as Tokenizer;
  expect(wordStarts(wordPiece)).toEqual([0, 1, 3]);
});
