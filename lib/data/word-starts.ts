import type { Tokenizer } from './tokenizer.ts';

/**
 * The tokens that begin a word, ascending: after a letter they put white space before their text. Special tokens, which
 * are no part of a word, are among them. In text that is written without spaces hardly any other token is.
 */
export function wordStarts(tokenizer: Tokenizer): number[] {
  const letter = tokenizer.encode('a').at(-1);
  if (letter === undefined) return [];
  const before = tokenizer.decode([letter]).length;
  const special = new Set(tokenizer.specialIds);
  const begins = (id: number) => special.has(id) || /^\s/.test(tokenizer.decode([letter, id]).slice(before));
  return Array.from({ length: tokenizer.vocabularySize }, (_, id) => id).filter(begins);
}
