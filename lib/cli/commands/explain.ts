import { Option } from 'commander';
import { openCorpus, type Corpus } from '../../data/corpus.ts';
import { openSamples } from '../../data/samples.ts';
import { checkInteger } from '../../check.ts';
import { readPlan } from '../../order/plan.ts';
import { findRunFiles, type RunFiles } from '../../recipe/run-files.ts';
import { readScoreColumns } from '../../score/table.ts';
import { findDocument } from '../../select/find-document.ts';
import { recordOf } from '../../select/plan-record.ts';
import { rowsOfDocument, traceRows, type TraceSources } from '../../select/trace.ts';
import { defineCommand, integer, option } from '../command.ts';
import { excerpt } from '../../report/text.ts';
import { formatTrace, type DocumentFacts } from '../explain-table.ts';
import { UsageError } from '../io.ts';

export const explain = defineCommand<{
  run?: string;
  corpus?: string;
  samples?: string;
  scores?: string[];
  plan?: string[];
  row?: number;
}>({
  usage: 'explain [id]',
  description: 'What became of a document: its scores and ranks, its place in a plan, or the rule that dropped it.',
  example: 'gradfold explain mail-17 --run runs/demo',
  limits: 'rows of the document, its first ones',
  options: [
    option('--run <dir>', 'folder of a run, whose files are taken'),
    option('--corpus <path>', 'the corpus, where the id is looked up'),
    option('--samples <path>', 'the rows that documents were cut into'),
    new Option('--scores <paths...>', 'score tables of these rows'),
    new Option('--plan <paths...>', 'plans over these rows'),
    option('--row <n>', 'explain this row of the samples instead of a document', integer),
  ],
  async run({ args, options }) {
    const id = args[0] as string | undefined;
    const { row, limit } = options;
    if ((id === undefined) === (row === undefined)) {
      throw new UsageError('explain: give exactly one of a document’s id and --row');
    }
    const files = await filesOf(options);
    const corpus = await openCorpus(files.corpus);
    const named = id === undefined ? undefined : findDocument(corpus, id);
    const sources = await readSources(files);
    const { samples } = sources;
    if (row !== undefined) checkInteger('--row', row, 0, samples.count - 1);
    const document = named ?? samples.document(row!);
    const all = rowsOfDocument(samples, document);
    const rows = traceRows(row === undefined ? all.slice(0, limit) : [row], sources);
    const facts = factsOf(corpus, document, all.length);
    return { json: { ...facts, rows }, text: formatTrace(facts, rows) };
  },
});

/** The files that the options name, or those of the run. */
async function filesOf(options: {
  run?: string;
  corpus?: string;
  samples?: string;
  scores?: string[];
  plan?: string[];
}): Promise<RunFiles> {
  const { run, corpus, samples, scores = [], plan = [] } = options;
  if (run !== undefined) {
    if (corpus ?? samples ?? options.scores ?? options.plan) {
      throw new UsageError('explain: --run names all files itself; leave out --corpus, --samples, --scores and --plan');
    }
    return findRunFiles(run);
  }
  if (corpus === undefined || samples === undefined) {
    throw new UsageError('explain: give --run, or --corpus and --samples with any --scores and --plan');
  }
  return { corpus, samples, scores, plans: plan.map((path) => ({ name: path, path })) };
}

async function readSources(files: RunFiles): Promise<TraceSources> {
  const samples = await openSamples(files.samples);
  return {
    samples,
    scores: (await Promise.all(files.scores.map(readScoreColumns))).flat(),
    plans: await Promise.all(
      files.plans.map(async ({ name, path }) => {
        const { metadata, ...plan } = await readPlan(path, samples);
        return { name, plan, record: recordOf(path, metadata) };
      }),
    ),
  };
}

const BEGINNING = 200;

function factsOf(corpus: Corpus, document: number, rowCount: number): DocumentFacts {
  const text = corpus.text(document);
  return {
    id: corpus.id(document),
    document,
    domain: corpus.domain(document),
    characters: text.length,
    beginning: excerpt(text, BEGINNING).replaceAll('\n', ' '),
    rowCount,
  };
}
