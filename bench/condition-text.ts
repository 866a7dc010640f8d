// Documents that look like text to a tokenizer: words by Zipf's law, some of them met for the first time, and documents
// of very different lengths from hosts of very different sizes.
import type { CorpusDocument } from 'gradfold';

const WORDS = 50_000;
const HOSTS = 5000;
const SYLLABLES = 'an ter on pro ing est al men re con ure ti ous the in de so ma per li sta qu br ound'.split(' ');
/** Of so many words one is new, as names and numbers are. */
const NEW_WORDS = 40;
/** Bytes of a document: log-normal, in the middle and by which factor it spreads. */
const LENGTH = { median: 1500, spread: 2.5 };

/** The same documents for the same size, and for a larger one more of them. */
export function* syntheticDocuments(bytes: number): Generator<CorpusDocument> {
  const uniform = mulberry32(1);
  const words = Array.from({ length: WORDS }, (_, i) => wordOf(i));
  let written = 0;
  for (let i = 0; written < bytes; i++) {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    const length = LENGTH.median * LENGTH.spread ** normal;
    const text: string[] = [];
    for (let size = 0; size < length;) {
      const word =
        uniform() < 1 / NEW_WORDS ? wordOf(WORDS + Math.floor(1e9 * uniform())) : words[zipf(uniform(), WORDS)];
      text.push(uniform() < 0.1 ? `${word},` : word);
      size += word.length + 1;
    }
    const joined = `${text.join(' ')}.`;
    written += joined.length; // one byte a character
    const host = `host${zipf(uniform(), HOSTS)}.example.org`;
    yield { id: `d${i}`, text: joined, url: `https://${host}/page/${i}` };
  }
}

/** A rank below `count`, with probabilities about 1 / rank. */
function zipf(uniform: number, count: number): number {
  return Math.floor(count ** uniform) - 1;
}

function wordOf(index: number): string {
  let word = '';
  for (let rest = index + 1; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    word += SYLLABLES[rest % SYLLABLES.length];
  return word;
}

/** A small generator; quality does not matter here, speed does. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
