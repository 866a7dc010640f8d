import type { Draws } from './draws.ts';

/** Share of characters that a document loses, drawn for each. */
const SHARE: [low: number, high: number] = [0.1, 0.2];
const FIRST_PRINTABLE = 0x21;
const PRINTABLE = 0x7f - FIRST_PRINTABLE;

/** Puts other printable ASCII characters in the place of 10-20% of the characters, white space included. */
export function substituteCharacters(text: string, draws: Draws): string {
  const share = draws.uniform(...SHARE);
  return Array.from(text, (character) => (draws.uniform() < share ? another(character, draws) : character)).join('');
}

/** A printable character that is not the given one. */
function another(character: string, draws: Draws): string {
  const place = character.codePointAt(0)! - FIRST_PRINTABLE;
  const shift = 1 + draws.integer(PRINTABLE - 1);
  return String.fromCodePoint(FIRST_PRINTABLE + ((Math.max(place, 0) + shift) % PRINTABLE));
}
