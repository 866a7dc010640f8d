import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { NgramModel } from '../../lib/score/ngram.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

/** The example of the CMUSphinx documentation (https://cmusphinx.github.io/wiki/arpaformat/), spaces as they are there. */
const PUBLISHED = `
This is text before the model.

\\data\\
ngram 1=7
ngram 2=7

\\1-grams:
-1.0000 <unk>\t-0.2553
-98.9366 <s>\t -0.3064
-1.0000 </s>\t 0.0000
-0.6990 wood\t -0.2553
-0.6990 cindy\t-0.2553
-0.6990 pittsburgh\t\t-0.2553
-0.6990 jean\t -0.1973

\\2-grams:
-0.2553 <unk> wood
-0.2553 <s> <unk>
-0.2553 wood pittsburgh
-0.2553 cindy jean
-0.2553 pittsburgh cindy
-0.5563 jean </s>
-0.5563 jean wood 

\\end\\
`;

/** Three words, without <unk> and sentence marks, as character models and some tools write them. */
const TRIGRAMS = `\\data\\
ngram 1=3
ngram 2=3
ngram 3=2

\\1-grams:
-0.5\ta\t-0.1
-0.6\tb\t-0.2
-0.7\tc

\\2-grams:
-0.3\ta b\t-0.05
-0.4\tb c\t-0.06
-0.45\tc a

\\3-grams:
-0.2\ta b c
-0.25\tb c a

\\end\\
`;

async function read(text: string | Uint8Array, name = 'lm.arpa'): Promise<NgramModel> {
  const path = join(directory(), name);
  await writeFile(path, text);
  return NgramModel.read(path);
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

describe('an n-gram model', () => {
  it("agrees with SRILM's figures for the published example", async () => {
    const model = await read(PUBLISHED);
    // ngram -ppl -debug 2 on "cindy jean": p(cindy | <s>) by back-off, the other two as bigrams.
    expect(model.logProbabilities(['cindy', 'jean'])).toEqual([-0.699 - 0.3064, -0.2553, -0.5563]);
    expect(sum(model.logProbabilities(['cindy', 'jean']))).toBeCloseTo(-1.817, 10);
    expect(model.perplexity('cindy jean')).toBeCloseTo(4.033357, 6);
  });

  it('takes an unknown word for <unk>, also as history', async () => {
    const model = await read(PUBLISHED);
    // <s> ? is the bigram <s> <unk>; ? wood is <unk> wood; wood jean backs off.
    const expected = [-0.2553, -0.2553, -0.2553 - 0.699, -0.5563];
    model.logProbabilities(['somebody', 'wood', 'jean']).forEach((p, i) => expect(p).toBeCloseTo(expected[i], 12));
  });

  it('backs off twice where it must, by hand', async () => {
    const model = await read(TRIGRAMS);
    expect(model.order).toBe(3);
    const expected = [
      -0.5, // a
      -0.3, // b | a
      -0.2, // c | a b
      -0.25, // a | b c
      -0.5, // a | c a: no c a a; c a has no weight; a a is none either: −0.1 − 0.5 below
    ];
    expected[4] = 0 + -0.1 + -0.5;
    model.logProbabilities(['a', 'b', 'c', 'a', 'a']).forEach((p, i) => expect(p).toBeCloseTo(expected[i], 12));
    // b | a b: the weight of a b, then b | b: that of b, then b.
    expect(model.logProbabilities(['a', 'b', 'b'])[2]).toBeCloseTo(-0.05 - 0.2 - 0.6, 12);
  });

  it('without <unk> gives an unknown word 10^-100, and nothing is known after it', async () => {
    const model = await read(TRIGRAMS);
    expect(model.logProbabilities(['a', 'x', 'b'])).toEqual([-0.5, -100, -0.6]);
  });

  it('counts lines as sentences, blank ones not, and every sentence has an end', async () => {
    const model = await read(PUBLISHED);
    const one = sum(model.logProbabilities(['cindy', 'jean']));
    const two = sum(model.logProbabilities(['wood']));
    expect(model.perplexity('cindy  jean\r\n\n \nwood\n')).toBeCloseTo(10 ** (-(one + two) / 5), 10);
    expect(model.perplexity('')).toBeCloseTo(10 ** -model.logProbabilities([])[0], 10);
    expect(model.perplexity('CINDY Jean', { lowercase: true })).toBeCloseTo(4.033357, 6);
    expect(model.perplexity('CINDY Jean')).toBeGreaterThan(5);
  });

  it('is read from .gz as well', async () => {
    const model = await read(gzipSync(PUBLISHED), 'lm.arpa.gz');
    expect(model.perplexity('cindy jean')).toBeCloseTo(4.033357, 6);
  });

  it.each([
    ['no model', 'hello\n', 'expected an ARPA file from \\data\\ to \\end\\, got none'],
    ['the end missing', PUBLISHED.replace('\\end\\', ''), 'got one that ends before'],
    ['a line missing', PUBLISHED.replace('-0.2553 <s> <unk>\n', ''), ': expected 1 more 2-grams, got "\\\\end'],
    ['a line too many', PUBLISHED.replace('ngram 2=7', 'ngram 2=6'), 'expected no more than 6 2-grams'],
    ['a number that is none', PUBLISHED.replace('-0.2553 wood', 'x wood'), ':20: expected a log probability, 2 words'],
    ['a word that no list has', PUBLISHED.replace('cindy jean', 'cindy joan'), 'each n-gram once, after its words'],
    ['an n-gram twice', PUBLISHED.replace('wood pittsburgh', 'cindy jean'), 'each n-gram once'],
    ['lists out of order', PUBLISHED.replace('\\1-grams:', '\\2-grams:'), 'expected \\1-grams:, got'],
  ])('refuses a file with %s', async (_, text, message) => {
    await expect(read(text)).rejects.toMatchObject({ code: 'INVALID_FILE', message: expect.stringContaining(message) });
  });

  it('names a file that is not there', async () => {
    await expect(NgramModel.read(join(directory(), 'none.arpa'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
