import { createHash } from 'node:crypto';
import { invalid } from '../../check.ts';
import type { Draws } from './draws.ts';

/** A text in some language. */
export interface LanguageText {
  /** What the language is called; texts of one language are either all for held-out documents or none. */
  language: string;
  text: string;
}

/** A passage of another language in the place of a text, of its length; a long one goes on in further languages. */
export function replaceLanguage(text: string, draws: Draws, languages: readonly LanguageText[]): string {
  let passage = '';
  while (passage.length < text.length) {
    const foreign = draws.pick(languages).text;
    // A start that leaves the whole length, if there is that much.
    const start = draws.integer(Math.max(1, foreign.length - text.length));
    passage += foreign.slice(start, start + text.length - passage.length);
  }
  return passage.replace(LONE_SURROGATES, '');
}

/** Halves of characters that a cut has parted. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

/**
 * The texts for held-out documents, or those for the others: by a hash of the language's name, half of all languages.
 * @throws GradfoldError INVALID_ARGUMENT when there are none.
 */
export function languageTexts(heldOut: boolean, languages: readonly LanguageText[]): LanguageText[] {
  const texts = languages.filter(({ language, text }) => text !== '' && isHeldOut(language) === heldOut);
  if (texts.length > 0) return texts;
  throw invalid('languages', `a text ${heldOut ? 'for held-out documents' : 'for other than held-out documents'}`, 0, {
    fix: 'which a text is for follows from the name of its language; give texts of more languages',
  });
}

function isHeldOut(language: string): boolean {
  return createHash('sha256').update(language).digest()[0] % 2 === 1;
}
