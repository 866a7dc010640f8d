import { writeTextAtomically } from '../../atomic-file.ts';
import { openCorpus } from '../../data/corpus.ts';
import { openSamples } from '../../data/samples.ts';
import { explanationHeadline, renderExplanation } from '../../report/explanation.ts';
import { excerpt, signed } from '../../report/text.ts';
import { explanationData, type ExplanationData } from '../../score/explain-data.ts';
import { explainScores } from '../../score/explain.ts';
import { readScoreTable } from '../../score/table.ts';
import { claimOutput, defineCommand, forceOption, option, positiveInteger } from '../command.ts';
import { corpusOption } from '../score-output.ts';
import { formatTable } from '../table.ts';

export const rateExplain = defineCommand<{
  samples: string;
  corpus: string;
  column: string;
  out?: string;
  folds: number;
  shown: number;
  force: boolean;
}>({
  usage: 'rate explain <scores>',
  description: 'What scores have to do with the text: correlations, regressions, domains, extreme documents.',
  example: 'gradfold rate explain rater.arrow --samples tokens/samples.arrow --corpus corpus.arrow --out rater.html',
  limits: 'rows of the table, its first ones',
  options: [
    option('--samples <path>', 'the scored rows').makeOptionMandatory(),
    corpusOption(),
    option('--column <name>', 'score column', String, 'rater'),
    option('-o, --out <path>', 'where a page with pictures goes (default: there is none)'),
    option('--folds <n>', 'of the cross-validation, by document', positiveInteger, 10),
    option('--shown <n>', 'documents at each end', positiveInteger, 6),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { column, out, folds, shown, limit, seed } = options;
    const file = args[0] as string;
    const samples = await openSamples(options.samples);
    const all = await readScoreTable(file, column, samples);
    const table = { rows: all.rows.subarray(0, limit), scores: all.scores.subarray(0, limit) };
    const corpus = await openCorpus(options.corpus);
    if (out !== undefined) await claimOutput(out, options.force);
    const explanation = explanationData(
      await explainScores(corpus, samples, table, {
        folds,
        shown,
        seed,
        signal,
        onProgress: ({ done, total }) => progress.update('read texts', done, total, 'rows'),
      }),
    );
    if (out !== undefined) {
      const facts = Object.entries({ scores: file, column, samples: options.samples, corpus: options.corpus });
      const html = await renderExplanation(explanation, {
        column,
        facts: facts.map(([name, value]) => ({ name, value })),
        created: new Date().toISOString().slice(0, 10),
      });
      await writeTextAtomically(out, html);
    }
    return {
      json: { path: out ?? null, column, ...explanation },
      text: `${inWords(explanation, column)}${out === undefined ? '' : `\n\n${out}`}`,
    };
  },
});

function inWords(explanation: ExplanationData, column: string): string {
  const { features, domains, kept, best, worst, notes } = explanation;
  const number = (x: number | null) => (x === null ? '' : signed(x, 3));
  return [
    [explanationHeadline(explanation, column), ...notes].join('\n'),
    formatTable(
      ['heuristic', 'Spearman', 'Pearson', 'least squares', '±', 'Lasso'],
      features.map(({ name, spearman, pearson, ols, olsError, lasso }) => [
        name,
        number(spearman),
        number(pearson),
        number(ols),
        olsError === null ? '' : olsError.toFixed(3),
        lasso === 0 ? '0' : number(lasso),
      ]),
    ),
    formatTable(
      ['kept of domain', 'rows', 'mean', 'sd', ...kept.map(({ rho }) => `ρ ${rho}`)],
      domains.map(({ domain, rows, mean, standardDeviation }) => [
        domain,
        String(rows),
        mean.toPrecision(3),
        standardDeviation === null ? '' : standardDeviation.toPrecision(3),
        ...kept.map((at) => at.domains[domain].toFixed(3)),
      ]),
    ),
    documentTable('highest', best),
    documentTable('lowest', worst),
  ].join('\n\n');
}

const LINE = 80;

function documentTable(which: string, documents: ExplanationData['best']): string {
  return formatTable(
    [`${which} documents`, 'score', 'domain', 'begins'],
    documents.map(({ id, score, domain, text }) => [
      id,
      score.toPrecision(4),
      domain,
      excerpt(text, LINE).replaceAll('\n', ' '),
    ]),
  );
}
