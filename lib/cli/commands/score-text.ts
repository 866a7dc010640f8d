import { openCorpus } from '../../data/corpus.ts';
import { openSamples, type Split } from '../../data/samples.ts';
import { TEXT_FEATURES, textFeatureScores } from '../../score/text-features.ts';
import { claimOutput, defineCommand, forceOption, option, outOption } from '../command.ts';
import { corpusOption, rowsToScore, splitOption, writtenScores } from '../score-output.ts';

export const scoreText = defineCommand<{
  out: string;
  corpus: string;
  split: Split;
  features?: string[];
  force: boolean;
}>({
  usage: 'score text <samples>',
  description: "Score rows by heuristics of their document's text.",
  example:
    'gradfold score text tokens/samples.arrow --corpus corpus.arrow --features words,digit_fraction --out text.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (column row, and one column a feature)'),
    corpusOption(),
    splitOption,
    option('--features <names>', 'features, divided by commas (default: all)', (text) => text.split(',')),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, features = Object.keys(TEXT_FEATURES) } = options;
    const samples = await openSamples(args[0] as string);
    const corpus = await openCorpus(options.corpus);
    const rows = rowsToScore(samples, options);
    await claimOutput(out, options.force);
    const columns = await textFeatureScores(corpus, samples, rows, features, {
      signal,
      onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
    });
    return writtenScores(out, rows, columns, { method: 'text' });
  },
});
