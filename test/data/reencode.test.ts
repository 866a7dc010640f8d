import { expect, test } from 'vitest';
import { reencoder } from '../../lib/data/reencode.ts';
import { trainTokenizer } from '../../lib/data/tokenizer.ts';

const TEXT = 'the quick brown fox jumps over the lazy dog, the quick brown fox';
const small = trainTokenizer([TEXT], { vocabularySize: 258 });
const large = trainTokenizer([TEXT, TEXT], { vocabularySize: 290 });
const ended = (tokenizer: typeof small, text: string) =>
  Int32Array.of(...tokenizer.encode(text), tokenizer.endOfTextId!);

test('rows of one tokenizer become those of another, ends staying ends', () => {
  expect(reencoder(large, small)(large.encode('the fox'))).toEqual(small.encode('the fox'));
  expect(reencoder(large, small)(ended(large, 'the fox'))).toEqual(ended(small, 'the fox'));
  expect(reencoder(small, large)(Array.from(ended(small, 'the dog')))).toEqual(ended(large, 'the dog'));
});

test('a tokenizer without an end leaves it out', () => {
  const endless = { ...large, endOfTextId: null, encode: large.encode.bind(large), decode: large.decode.bind(large) };
  expect(reencoder(small, endless)(ended(small, 'the dog'))).toEqual(large.encode('the dog'));
});

test('what is longer than a model takes is cut off', () => {
  expect(reencoder(large, small, 3)(large.encode('the fox'))).toEqual(small.encode('the fox').slice(0, 3));
});
