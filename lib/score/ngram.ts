import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';
import { readArpa, type ArpaEntry } from './arpa.ts';
import { documentScores, type DocumentScoreOptions } from './document-scores.ts';

/** log10 probability of a word that the model does not know, where it has no <unk>. */
const UNKNOWN = -100;

/** The n-grams of one length. */
interface Level {
  /** Number of the n-gram by (number of its first n − 1 words as an n-gram) × vocabulary + last word; of a word, itself. */
  numbers: Map<number, number>;
  logProbabilities: number[];
  backoffs: number[];
}

export interface NgramOptions {
  /** Lower-case the text first, for a model that was trained so; default false. */
  lowercase?: boolean;
}

/**
 * A back-off n-gram model (Katz 1987): log p(w | h) is that of the n-gram h w where there is one, else the back-off weight
 * of h (0 where h is no n-gram either) plus log p(w | h without its first word). Logarithms are decimal, as in the file.
 */
export class NgramModel {
  readonly #words = new Map<string, number>();
  readonly #levels: Level[] = [];

  private constructor() {
    // NgramModel.read is the way in.
  }

  /**
   * Reads an ARPA file (plain, .gz or .zst). About 100 bytes of memory an n-gram; at most 16 million n-grams of a length.
   * @throws GradfoldError as readArpa, and INVALID_FILE for an n-gram whose beginning is not listed.
   */
  static async read(path: string): Promise<NgramModel> {
    const model = new NgramModel();
    for await (const entry of readArpa(path)) model.#add(path, entry);
    return model;
  }

  /** n of the longest n-grams. */
  get order(): number {
    return this.#levels.length;
  }

  /**
   * log10 p of each word after those before it, and of the sentence's end: words.length + 1 numbers, or as many as there
   * are words for a model without </s>.
   */
  logProbabilities(words: readonly string[]): number[] {
    const unknown = this.#marker('<unk>');
    const numbers = words.map((word) => this.#words.get(word) ?? unknown);
    const end = this.#marker('</s>');
    if (end !== undefined) numbers.push(end);
    const start = this.#marker('<s>');
    const history = start === undefined ? [] : [start];
    return numbers.map((word) => {
      if (word === undefined) {
        history.length = 0; // nothing is known after it
        return UNKNOWN;
      }
      const logProbability = this.#after(this.order > 1 ? history.slice(1 - this.order) : [], word);
      history.push(word);
      return logProbability;
    });
  }

  /**
   * 10^(−mean log10 p) over all words and sentence ends of a text. Every line that is not blank is a sentence, its words
   * what white space separates; a text without any is an empty sentence.
   */
  perplexity(text: string, options: NgramOptions = {}): number {
    const wanted = options.lowercase ? text.toLowerCase() : text;
    const sentences = wanted
      .split('\n')
      .map((line) => line.split(/\s+/).filter(Boolean))
      .filter((words) => words.length > 0);
    let sum = 0;
    let count = 0;
    for (const words of sentences.length > 0 ? sentences : [[]]) {
      const logProbabilities = this.logProbabilities(words);
      for (const logProbability of logProbabilities) sum += logProbability;
      count += logProbabilities.length;
    }
    return count === 0 ? 1 : 10 ** (-sum / count);
  }

  #add(path: string, { words, logProbability, backoff }: ArpaEntry): void {
    if (words.length > this.#levels.length) {
      this.#levels.push({ numbers: new Map(), logProbabilities: [], backoffs: [] });
    }
    if (words.length === 1 && !this.#words.has(words[0])) this.#words.set(words[0], this.#words.size);
    const level = this.#levels[words.length - 1];
    const numbers = words.map((word) => this.#words.get(word));
    const key = numbers.includes(undefined) ? undefined : this.#key(numbers as number[]);
    if (key === undefined || level.numbers.has(key)) {
      const expected = 'each n-gram once, after its words and its beginning';
      throw invalid(path, expected, words.join(' '), { code: 'INVALID_FILE' });
    }
    level.numbers.set(key, level.logProbabilities.length);
    level.logProbabilities.push(logProbability);
    level.backoffs.push(backoff);
  }

  /** A known word is a 1-gram, so there is an end to shortening the history. */
  #after(history: number[], word: number): number {
    const found = this.#find([...history, word]);
    if (found !== undefined) return this.#levels[history.length].logProbabilities[found];
    const known = this.#find(history);
    const backoff = known === undefined ? 0 : this.#levels[history.length - 1].backoffs[known];
    return backoff + this.#after(history.slice(1), word);
  }

  /** The number of an n-gram among those of its length; undefined where there is none. */
  #find(words: number[]): number | undefined {
    const key = words.length === 0 ? undefined : this.#key(words);
    return key === undefined ? undefined : this.#levels[words.length - 1]?.numbers.get(key);
  }

  #key(words: number[]): number | undefined {
    if (words.length === 1) return words[0];
    const beginning = this.#find(words.slice(0, -1));
    return beginning === undefined ? undefined : beginning * this.#words.size + words.at(-1)!;
  }

  /** The number of a word with a meaning of its own, in either case. */
  #marker(word: string): number | undefined {
    return this.#words.get(word) ?? this.#words.get(word.toUpperCase());
  }
}

/**
 * Per-word perplexity of the document of each row under an n-gram model [rows]; see NgramModel.perplexity.
 * @throws GradfoldError as documentScores
 */
export async function ngramScores(
  model: NgramModel,
  corpus: Corpus,
  samples: Pick<Samples, 'document'>,
  rows: ArrayLike<number>,
  { lowercase, ...options }: NgramOptions & DocumentScoreOptions = {},
): Promise<Float64Array> {
  const scoreOf = (document: number) => model.perplexity(corpus.text(document), { lowercase });
  return Float64Array.from(await documentScores(corpus, samples, rows, scoreOf, options));
}
