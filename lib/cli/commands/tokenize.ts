import { rm } from 'node:fs/promises';
import { openCorpus } from '../../data/corpus.ts';
import { openSamples, SPLITS } from '../../data/samples.ts';
import { DEFAULT_SHARES } from '../../recipe/schema.ts';
import { tokenizeInto } from '../../recipe/tokenization.ts';
import { claimFolder, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';

/** Of `--out`, what this command writes. */
const CONTENTS = /^(samples.*\.arrow|tokenizer(_config)?\.json|state\.json)$/;

export const tokenize = defineCommand<{
  out: string;
  tokenizer?: string;
  vocabulary: number;
  mask: boolean;
  length: number;
  minTokens?: number;
  shardRows?: number;
  force: boolean;
}>({
  usage: 'tokenize <corpus>',
  description:
    'Cut a corpus into token rows with a given tokenizer, or with one trained on it; a killed run goes on where it was.',
  example: 'gradfold tokenize corpus.arrow --out tokens --vocabulary 4096 --length 128',
  limits: 'documents',
  options: [
    outOption('the folder of samples.arrow and tokenizer.json'),
    option('--tokenizer <path>', 'a Hugging Face tokenizer.json or its folder (default: train one)'),
    option('--vocabulary <n>', 'tokens of a trained tokenizer', positiveInteger, 4096),
    option('--mask', 'with a mask token, which an encoder needs').default(false),
    option('--length <n>', 'tokens a row', positiveInteger, 128),
    option('--min-tokens <n>', 'leave out shorter rows', positiveInteger),
    option('--shard-rows <n>', 'several files of so many rows instead of samples.arrow', positiveInteger),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, force, seed, limit, length, minTokens, vocabulary, mask, shardRows } = options;
    const corpus = await openCorpus(args[0] as string);
    await claimFolder(out, { contents: CONTENTS }, force);
    if (force) await rm(`${out}.partial`, { recursive: true, force: true });
    const tokenizer = await tokenizeInto(out, corpus, {
      tokenizer: options.tokenizer,
      vocabulary,
      mask,
      length,
      minTokens,
      seed,
      limit,
      shardRows,
      fractions: DEFAULT_SHARES,
      signal,
      onProgress: (...report) => progress.update(...report),
    });
    const samples = await openSamples(out);
    const shards = samples.shards?.length ?? 1;
    const splits = Object.fromEntries(SPLITS.map((split) => [split, samples.rows(split).length]));
    const { vocabularySize } = tokenizer;
    return {
      json: { path: out, rows: samples.count, shards, vocabulary: vocabularySize, splits },
      text: `${out}: ${samples.count} rows of up to ${length} tokens${
        shardRows === undefined ? '' : ` in ${shards} shards`
      }, vocabulary ${vocabularySize}; ${Object.entries(splits)
        .map(([split, rows]) => `${split} ${rows}`)
        .join(', ')}`,
    };
  },
});
