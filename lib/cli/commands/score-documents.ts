import { Option } from 'commander';
import { openCorpus, writeCorpus } from '../../data/corpus.ts';
import { openSamples } from '../../data/samples.ts';
import { GradfoldError } from '../../errors.ts';
import { checkDocuments, documentScores, withColumns, WEIGHTS, type RowWeight } from '../../score/document-columns.ts';
import { readScoreColumns, readScoreTable } from '../../score/table.ts';
import { summarize } from '../../evaluate/statistics.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';
import { corpusOption } from '../score-output.ts';
import { formatTable } from '../table.ts';

export const scoreDocuments = defineCommand<{
  out: string;
  samples: string;
  corpus: string;
  columns?: string[];
  weigh: RowWeight;
  shardDocuments?: number;
  force: boolean;
}>({
  usage: 'score documents <scores...>',
  description: 'Write the corpus with scores as columns: of each document, the mean over its scored rows.',
  example:
    'gradfold score documents rater.arrow --samples tokens/samples.arrow --corpus corpus.arrow --out scored.arrow',
  limits: 'documents',
  options: [
    outOption('the corpus table with the columns'),
    option('--samples <path>', 'the scored rows').makeOptionMandatory(),
    corpusOption(),
    option('--columns <names>', 'score columns, divided by commas (default: all)', (text) => text.split(',')),
    new Option('--weigh <by>', 'what a row counts in the mean: the same as any other, or its tokens')
      .choices(WEIGHTS)
      .default('row'),
    option('--shard-documents <n>', 'write a folder of shards of so many documents instead of a file', positiveInteger),
    forceOption,
  ],
  async run({ args, options, io: { signal } }) {
    const { out, weigh, shardDocuments, limit, force } = options;
    const samples = await openSamples(options.samples);
    const corpus = await openCorpus(options.corpus);
    const columns: Record<string, Map<number, number>> = {};
    for (const { file, column } of await columnsOf(args[0] as string[], options.columns)) {
      columns[column] = documentScores(samples, file, await readScoreTable(file, column, samples), weigh);
      checkDocuments(columns[column], corpus, options.samples);
    }
    const documents = withColumns(corpus, columns, limit);
    await claimOutput(out, force);
    const written = await writeCorpus(out, documents, { shardDocuments, signal });
    const summaries = Object.entries(columns).map(([name, values]) => {
      const { mean, standardDeviation } = summarize([...values.values()]);
      return { name, documents: values.size, mean, standardDeviation };
    });
    return {
      json: {
        path: out,
        ...written,
        weigh,
        columns: Object.fromEntries(summaries.map(({ name, ...rest }) => [name, rest])),
      },
      text: `${out}: ${written.documents} documents; a document’s score is the mean over its scored rows${weigh === 'token' ? ', weighted by their tokens' : ''}\n\n${formatTable(
        ['column', 'documents with a score', 'mean', 'standard deviation'],
        summaries.map(({ name, documents, mean, standardDeviation }) => [
          name,
          String(documents),
          mean.toPrecision(4),
          Number.isNaN(standardDeviation) ? '' : standardDeviation.toPrecision(4),
        ]),
      )}`,
    };
  },
});

/** The score columns of all files, or those that are asked for, each in one file. */
async function columnsOf(files: string[], names?: string[]): Promise<{ file: string; column: string }[]> {
  const found = (await Promise.all(files.map(readScoreColumns))).flat();
  const wanted = found.filter(({ column }) => names === undefined || names.includes(column));
  const missing = (names ?? []).filter((name) => !found.some(({ column }) => column === name));
  const twice = wanted.find(({ column }, i) => wanted.findIndex((other) => other.column === column) < i);
  const all = found.map(({ column }) => column).join(', ') || 'none';
  if (missing.length > 0 || wanted.length === 0) {
    throw new GradfoldError(
      'INVALID_DATA',
      `columns: expected some of ${files.join(', ')} (${all}), got ${missing.join(', ') || 'none'}`,
    );
  }
  if (twice) {
    throw new GradfoldError(
      'INVALID_DATA',
      `column "${twice.column}": expected it in one file, it is in ${wanted
        .filter(({ column }) => column === twice.column)
        .map(({ file }) => file)
        .join(' and ')}; say which with --columns, or put parts together with \`gradfold score merge\``,
    );
  }
  return wanted;
}
