import { Option } from 'commander';
import { writeTextAtomically } from '../../atomic-file.ts';
import { openCorpus } from '../../data/corpus.ts';
import { openSamples, SPLITS, type Split } from '../../data/samples.ts';
import { continuationQuestions } from '../../evaluate/continuation-questions.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger, integerIn } from '../command.ts';
import { corpusOption } from '../score-output.ts';

export const questions = defineCommand<{
  out: string;
  corpus: string;
  split: Split;
  choices: number;
  passageWords: number;
  continuationWords: number;
  group: string;
  force: boolean;
}>({
  usage: 'questions <samples>',
  description: 'Make multiple-choice questions of held-out documents: which continuation follows this passage?',
  example: 'gradfold questions tokens/samples.arrow --corpus corpus.arrow --limit 500 --out questions.jsonl',
  limits: 'questions (default 500)',
  options: [
    outOption('the questions (JSON lines)'),
    corpusOption(),
    new Option('--split <name>', 'whose documents the questions are of').choices(SPLITS).default('validation'),
    option('--choices <n>', 'choices of a question', integerIn(2), 4),
    option('--passage-words <n>', 'words of the passage', positiveInteger, 40),
    option('--continuation-words <n>', 'words of each choice', positiveInteger, 10),
    option('--group <column>', 'wrong choices come from documents that have the same value here', String, 'domain'),
    forceOption,
  ],
  async run({ args, options }) {
    const samples = await openSamples(args[0] as string);
    const corpus = await openCorpus(options.corpus);
    const held = new Set(Array.from(samples.rows(options.split), (row) => samples.document(row)));
    const groupOf = (i: number): string =>
      options.group === 'domain' ? corpus.domain(i) : String(corpus.value(options.group, i));
    await claimOutput(options.out, options.force);
    const made = continuationQuestions(
      [...held].map((i) => ({ id: corpus.id(i), text: corpus.text(i), group: groupOf(i) })),
      {
        count: options.limit ?? 500,
        choices: options.choices,
        passageWords: options.passageWords,
        continuationWords: options.continuationWords,
        seed: options.seed,
      },
    );
    await writeTextAtomically(options.out, made.map((question) => `${JSON.stringify(question)}\n`).join(''));
    return {
      json: { path: options.out, questions: made.length },
      text: `${options.out}: ${made.length} questions of the split ${options.split}`,
    };
  },
});
