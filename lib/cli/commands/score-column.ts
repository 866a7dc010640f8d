import { openCorpus } from '../../data/corpus.ts';
import { openSamples, type Split } from '../../data/samples.ts';
import { columnScores } from '../../score/column-scores.ts';
import { claimOutput, defineCommand, forceOption, number, option, outOption } from '../command.ts';
import { corpusOption, rowsToScore, splitOption, writtenScores } from '../score-output.ts';

export const scoreColumn = defineCommand<{
  out: string;
  corpus: string;
  column: string;
  missing?: number;
  split: Split;
  force: boolean;
}>({
  usage: 'score column <samples>',
  description: 'Score rows by a numeric column of the corpus.',
  example: 'gradfold score column tokens/samples.arrow --corpus corpus.arrow --column stars --out stars.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (column row, and one of the same name)'),
    option('--column <name>', 'a column of numbers').makeOptionMandatory(),
    corpusOption(),
    option('--missing <x>', 'score of a document without a value (default: that is an error)', number),
    splitOption,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, column, missing } = options;
    const samples = await openSamples(args[0] as string);
    const corpus = await openCorpus(options.corpus);
    const rows = rowsToScore(samples, options);
    const scores = await columnScores(corpus, samples, rows, column, {
      missing,
      signal,
      onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
    });
    await claimOutput(out, options.force);
    return writtenScores(out, rows, { [column]: scores }, { method: 'column' });
  },
});
