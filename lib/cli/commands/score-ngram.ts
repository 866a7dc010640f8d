import { openCorpus } from '../../data/corpus.ts';
import { openSamples, type Split } from '../../data/samples.ts';
import { ngramScores, NgramModel } from '../../score/ngram.ts';
import { claimOutput, defineCommand, forceOption, option, outOption } from '../command.ts';
import { corpusOption, rowsToScore, splitOption, writtenScores } from '../score-output.ts';

export const scoreNgram = defineCommand<{
  out: string;
  arpa: string;
  corpus: string;
  split: Split;
  lowercase: boolean;
  force: boolean;
}>({
  usage: 'score ngram <samples>',
  description: "Score rows by their document's per-word perplexity under an n-gram model.",
  example: 'gradfold score ngram tokens/samples.arrow --corpus corpus.arrow --arpa lm.arpa.gz --out ngram.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (columns row and ngram)'),
    option('--arpa <path>', 'the model: an ARPA file, plain, .gz or .zst').makeOptionMandatory(),
    corpusOption(),
    splitOption,
    option('--lowercase', 'lower-case the texts first').default(false),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, lowercase } = options;
    const samples = await openSamples(args[0] as string);
    const corpus = await openCorpus(options.corpus);
    const rows = rowsToScore(samples, options);
    await claimOutput(out, options.force);
    const ngram = await ngramScores(await NgramModel.read(options.arpa), corpus, samples, rows, {
      lowercase,
      signal,
      onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
    });
    return writtenScores(out, rows, { ngram }, { method: 'ngram', arpa: options.arpa });
  },
});
