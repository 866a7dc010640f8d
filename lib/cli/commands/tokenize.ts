import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openCorpus } from '../../data/corpus.ts';
import { SPLITS, tokenizeCorpus, writeSamples } from '../../data/samples.ts';
import { loadTokenizer, trainTokenizer } from '../../data/tokenizer.ts';
import { trainingTexts } from '../../recipe/data-stages.ts';
import { DEFAULT_SHARES } from '../../recipe/schema.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';

export const tokenize = defineCommand<{
  out: string;
  tokenizer?: string;
  vocabulary: number;
  length: number;
  minTokens?: number;
  force: boolean;
}>({
  usage: 'tokenize <corpus>',
  description: 'Cut a corpus into token rows with a given tokenizer, or with one trained on it.',
  example: 'gradfold tokenize corpus.arrow --out tokens --vocabulary 4096 --length 128',
  limits: 'documents',
  options: [
    outOption('the folder of samples.arrow and tokenizer.json'),
    option('--tokenizer <path>', 'a Hugging Face tokenizer.json or its folder (default: train one)'),
    option('--vocabulary <n>', 'tokens of a trained tokenizer', positiveInteger, 4096),
    option('--length <n>', 'tokens a row', positiveInteger, 128),
    option('--min-tokens <n>', 'leave out shorter rows', positiveInteger),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, force, seed, limit, length, minTokens, vocabulary } = options;
    const corpus = await openCorpus(args[0] as string);
    await claimOutput(out, force);
    const tokenizer = options.tokenizer
      ? await loadTokenizer(options.tokenizer)
      : trainTokenizer(trainingTexts(corpus, seed, DEFAULT_SHARES), {
          vocabularySize: vocabulary,
          signal,
          onProgress: (share) => progress.update('train tokenizer', Math.round(100 * share), 100, '%'),
        });
    const samples = await tokenizeCorpus(corpus, tokenizer, {
      length,
      minTokens,
      seed,
      limit,
      fractions: DEFAULT_SHARES,
      signal,
      onProgress: ({ documents, documentsTotal }) =>
        progress.update('tokenize', documents, documentsTotal, 'documents'),
    });
    await mkdir(out, { recursive: true });
    await tokenizer.save(out);
    await writeSamples(join(out, 'samples.arrow'), samples);
    const splits = Object.fromEntries(SPLITS.map((split) => [split, samples.rows(split).length]));
    return {
      json: { path: out, rows: samples.count, vocabulary: tokenizer.vocabularySize, splits },
      text: `${out}: ${samples.count} rows of up to ${length} tokens, vocabulary ${tokenizer.vocabularySize}; ${Object.entries(
        splits,
      )
        .map(([split, rows]) => `${split} ${rows}`)
        .join(', ')}`,
    };
  },
});
