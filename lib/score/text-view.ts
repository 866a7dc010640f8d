/** Counts over the characters (code points) of a text. */
export interface CharacterCounts {
  all: number;
  distinct: number;
  upper: number;
  digit: number;
  punctuation: number;
  /** Neither letter, mark, digit nor white space. */
  symbol: number;
}

const WORDS = new Intl.Segmenter('en', { granularity: 'word' });
const SENTENCES = new Intl.Segmenter('en', { granularity: 'sentence' });

/** What features of a text are made of; each part is found once, when first asked for. */
export class TextView {
  readonly text: string;
  #characters: CharacterCounts | undefined;
  #words: string[] | undefined;
  #sentences: string[] | undefined;
  #lines: string[] | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get characters(): CharacterCounts {
    return (this.#characters ??= countCharacters(this.text));
  }

  /** Words as Unicode divides text (UAX 29), in lower case, punctuation left out. */
  get words(): string[] {
    this.#words ??= Array.from(WORDS.segment(this.text))
      .filter(({ isWordLike }) => isWordLike)
      .map(({ segment }) => segment.toLowerCase());
    return this.#words;
  }

  /** Sentences as Unicode divides text (UAX 29; a line break ends one too), trimmed, those without a letter or digit left out. */
  get sentences(): string[] {
    this.#sentences ??= Array.from(SENTENCES.segment(this.text), ({ segment }) => segment.trim()).filter((sentence) =>
      /[\p{L}\p{N}]/u.test(sentence),
    );
    return this.#sentences;
  }

  /** Lines, trimmed. */
  get lines(): string[] {
    return (this.#lines ??= this.text === '' ? [] : this.text.split('\n').map((line) => line.trim()));
  }

  /** Share of the lines that are not empty of which `test` holds. */
  lineShare(test: (line: string) => boolean): number {
    const filled = this.lines.filter((line) => line !== '');
    return ratio(filled.filter(test).length, filled.length);
  }
}

/** a / b; 0 where there is nothing to take a share of. */
export function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}

const CLASSES: [keyof CharacterCounts, RegExp][] = [
  ['upper', /\p{Lu}/u],
  ['digit', /\p{Nd}/u],
  ['punctuation', /\p{P}/u],
  ['symbol', /[^\p{L}\p{M}\p{N}\s]/u],
];

function countCharacters(text: string): CharacterCounts {
  const occurrences = new Map<string, number>();
  for (const character of text) occurrences.set(character, (occurrences.get(character) ?? 0) + 1);
  const counts = { all: 0, distinct: occurrences.size, upper: 0, digit: 0, punctuation: 0, symbol: 0 };
  for (const [character, count] of occurrences) {
    counts.all += count;
    for (const [name, pattern] of CLASSES) if (pattern.test(character)) counts[name] += count;
  }
  return counts;
}
