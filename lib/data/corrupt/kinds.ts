import { boilerplateLines, repeatBoilerplate } from './boilerplate.ts';
import { substituteCharacters } from './characters.ts';
import type { Draws } from './draws.ts';
import { garbleEncoding } from './encoding.ts';
import { languageTexts, replaceLanguage, type LanguageText } from './language.ts';
import { shuffleWords } from './shuffle.ts';

/** What corruptions put in the place of text. */
export interface Material {
  lines: readonly string[];
  languages: readonly LanguageText[];
}

type Corrupter = (text: string, draws: Draws, material: Material) => string;

/** What is done to a text, by name. */
export const CORRUPTERS = {
  shuffle: shuffleWords,
  characters: substituteCharacters,
  encoding: garbleEncoding,
  boilerplate: (text, draws, { lines }) => repeatBoilerplate(text, draws, lines),
  language: (text, draws, { languages }) => replaceLanguage(text, draws, languages),
} satisfies Record<string, Corrupter>;

export type Corruption = keyof typeof CORRUPTERS;

export const CORRUPTIONS = Object.keys(CORRUPTERS) as Corruption[];

/** What documents are corrupted with: those held out with other lines and languages than the rest. */
export function materialFor(
  heldOut: boolean,
  kinds: readonly Corruption[],
  languages: readonly LanguageText[],
): Material {
  return {
    lines: boilerplateLines(heldOut),
    languages: kinds.includes('language') ? languageTexts(heldOut, languages) : [],
  };
}
