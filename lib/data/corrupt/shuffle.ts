import type { Draws } from './draws.ts';

/** The words of a text in a random order; white space stays where it is. */
export function shuffleWords(text: string, draws: Draws): string {
  const words = text.match(/\S+/g) ?? [];
  draws.shuffle(words);
  let next = 0;
  return text.replace(/\S+/g, () => words[next++]);
}
