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

/** Runs of letters, marks and digits, apostrophes within them included. */
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*/gu;
/** Where a sentence ends: a line break, or a mark with what closes a quotation, white space after it where scripts have it. */
const SENTENCE_END = /(?<=[.!?…]["'”’»)\]]*)\s+|(?<=[。！？][」』”’）]*)|\n/u;

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

  /** Words in lower case. */
  get words(): string[] {
    return (this.#words ??= (this.text.match(WORD) ?? []).map((word) => word.toLowerCase()));
  }

  /** Sentences, trimmed; what has no letter or digit is none. */
  get sentences(): string[] {
    this.#sentences ??= this.text
      .split(SENTENCE_END)
      .map((sentence) => sentence.trim())
      .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
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
