import { checkInteger, checkLength, invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import type { Samples } from '../data/samples.ts';
import { crossValidatedLasso, type CrossValidatedLasso } from '../evaluate/lasso.ts';
import { leastSquares, meanProduct, standardize } from '../evaluate/least-squares.ts';
import { spearman } from '../evaluate/statistics.ts';
import type { DocumentRow, Histogram } from '../report/data.ts';
import type { DocumentScoreOptions } from './document-scores.ts';
import { extremeDocuments, meansByDocument } from './explain-documents.ts';
import {
  domainHistograms,
  domainScores,
  DROPPED_SHARES,
  keptByDomain,
  type DomainScores,
  type KeptShare,
} from './explain-domains.ts';
import { scoresByRow, type ScoreTable } from './table.ts';
import { TEXT_FEATURES, textFeatureScores } from './text-features.ts';

export type { DomainScores, KeptShare } from './explain-domains.ts';

/** What one heuristic says about the scores. Everything is over documents. */
export interface FeatureEffect {
  name: string;
  definition: string;
  mean: number;
  /** With denominator n. */
  standardDeviation: number;
  /** Correlation with the score: of values, of ranks; null where the feature has one value only. */
  pearson: number | null;
  spearman: number | null;
  /** Standard deviations of score for one of the feature, all other features held; null where it was left out. */
  ols: number | null;
  /** Of `ols`. */
  olsError: number | null;
  /** The same in the Lasso of the one-standard-error rule, 0 where it was not chosen; null without a Lasso. */
  lasso: number | null;
  /** Why it is in no regression. */
  leftOut: 'constant' | 'redundant' | null;
}

/** What scores of rows have to do with the text and the domains of their documents. */
export interface ScoreExplanation {
  rows: number;
  documents: number;
  /** Largest rank correlation first, in either direction. */
  features: FeatureEffect[];
  ols: {
    /** Share of the variance of the documents' scores that all heuristics together explain. */
    r2: number;
    /** Corrected for the number of heuristics; null with too few documents. */
    adjustedR2: number | null;
    /** Heuristics in it. */
    features: number;
  };
  /** Null with too few documents; its coefficients are in the order of `lassoFeatures`. */
  lasso: CrossValidatedLasso | null;
  lassoFeatures: string[];
  /** Share of the variance of held-out documents' scores that the chosen Lasso explains; null without one. */
  lassoR2: number | null;
  /** Share of the variance of the documents' scores that lies between domains. */
  domainR2: number;
  domains: DomainScores[];
  histograms: Histogram[];
  kept: KeptShare[];
  best: DocumentRow[];
  worst: DocumentRow[];
  /** What was left out and why, what is not defined. */
  notes: string[];
}

export interface ExplainOptions extends DocumentScoreOptions {
  /** Names of TEXT_FEATURES; default: all 23. */
  features?: readonly string[];
  /** Shares to drop; default 0.1, 0.25, 0.5, 0.75, 0.9. */
  rhos?: readonly number[];
  /** Documents shown at each end; default 6. */
  shown?: number;
  /** Of the cross-validation; default 10. */
  folds?: number;
  /** Of the assignment of documents to folds; default 0. */
  seed?: number;
}

/** Documents a fold below which held-out errors say nothing. */
const DOCUMENTS_A_FOLD = 2;
/** Share of the variance above which a single document is named. */
const OUTLYING = 0.2;

/**
 * Explains scores of rows by heuristics of their documents' text (Calian et al. 2025, section on what the DataRater
 * learns): correlations, ordinary least squares and a Lasso over documents, whose score is the mean over their rows; by
 * domain, the distribution of scores and what is kept when the lowest share ρ is dropped; and the extreme documents.
 * @throws GradfoldError INVALID_DATA for fewer than three documents, equal scores everywhere, a row that is scored twice
 *   or a score that is not finite; as textFeatureScores.
 */
export async function explainScores(
  corpus: Corpus,
  samples: Samples,
  scored: ScoreTable,
  options: ExplainOptions = {},
): Promise<ScoreExplanation> {
  const { features: names = Object.keys(TEXT_FEATURES), rhos = DROPPED_SHARES, seed = 0, signal, onProgress } = options;
  const shown = checkInteger('shown', options.shown ?? 6, 0);
  const folds = checkInteger('folds', options.folds ?? 10, 2);
  checkLength('scores', scored.scores, scored.rows.length, 'one a row');
  const byRow = scoresByRow('the table', scored);
  // Rows of one document lie together: its text is looked at once.
  const rows = scored.rows.slice().sort();
  const table = { rows, scores: Float64Array.from(rows, (row) => byRow.get(row)!) };
  const { documents, scores, values } = await byDocument(corpus, samples, table, names, { signal, onProgress });
  const target = standardize([scores]);
  if (documents.length < 3 || target.deviations[0] === 0) throw nothingToExplain(documents.length, scores);

  const inputs = standardize(values);
  const y = target.columns[0];
  const fit = leastSquares(inputs.columns, y);
  const used = names.flatMap((_, j) => (fit.coefficients[j] === null ? [] : [j]));
  const lasso =
    used.length > 0 && documents.length >= DOCUMENTS_A_FOLD * folds
      ? crossValidatedLasso(
          used.map((j) => values[j]),
          scores,
          { folds, seed },
        )
      : null;
  const chosen = lasso?.path[lasso.oneStandardError];

  const effects = names.map((name, j): FeatureEffect => {
    const constant = inputs.deviations[j] === 0;
    return {
      name,
      definition: TEXT_FEATURES[name].definition,
      mean: inputs.means[j],
      standardDeviation: inputs.deviations[j],
      pearson: constant ? null : meanProduct(inputs.columns[j], y),
      spearman: constant ? null : spearman(values[j], scores),
      ols: fit.coefficients[j],
      olsError: fit.standardErrors[j],
      lasso: chosen && used.includes(j) ? chosen.coefficients[used.indexOf(j)] : null,
      leftOut: constant ? 'constant' : used.includes(j) ? null : 'redundant',
    };
  });
  const strength = ({ spearman }: FeatureEffect) => (spearman === null ? -1 : Math.abs(spearman));
  return {
    rows: table.rows.length,
    documents: documents.length,
    features: effects.sort((a, b) => strength(b) - strength(a)),
    ols: { r2: fit.r2, adjustedR2: fit.adjustedR2, features: used.length },
    lasso,
    lassoFeatures: used.map((j) => names[j]),
    lassoR2: lasso && 1 - lasso.path[lasso.oneStandardError].error / lasso.path[0].error,
    domainR2: betweenGroups(
      y,
      Array.from(documents, (document) => corpus.domain(document)),
    ),
    domains: domainScores(samples, table),
    histograms: domainHistograms(samples, table),
    kept: keptByDomain(samples, table, rhos),
    ...extremeDocuments(corpus, samples, table, shown),
    notes: [
      ...outlier(y, (i) => corpus.id(documents[i])),
      ...notesOn(effects, { documents: documents.length, folds, adjusted: fit.adjustedR2, lasso }),
    ],
  };
}

/** Mean score and features of every document. */
async function byDocument(
  corpus: Corpus,
  samples: Samples,
  table: ScoreTable,
  names: readonly string[],
  options: DocumentScoreOptions,
) {
  const features = await textFeatureScores(corpus, samples, table.rows, names, options);
  const { documents, columns } = meansByDocument(samples, table.rows, [
    table.scores,
    ...names.map((name) => features[name]),
  ]);
  const [scores, ...values] = columns;
  return { documents, scores, values };
}

function nothingToExplain(documents: number, scores: Float64Array): Error {
  const code = 'INVALID_DATA';
  return documents < 3
    ? invalid('documents of the scored rows', 'three or more', documents, { code, fix: 'score rows of more documents' })
    : invalid('scores of documents', 'values that differ', scores[0], { code, fix: 'there is nothing to explain' });
}

/** Share of the variance of standardised values that lies between groups. */
function betweenGroups(y: Float64Array, groups: string[]): number {
  const sums = new Map<string, { sum: number; count: number }>();
  groups.forEach((group, i) => {
    const { sum, count } = sums.get(group) ?? { sum: 0, count: 0 };
    sums.set(group, { sum: sum + y[i], count: count + 1 });
  });
  return [...sums.values()].reduce((share, { sum, count }) => share + sum ** 2 / count, 0) / y.length;
}

/** A document whose score alone decides what values, not ranks, correlate with. */
function outlier(y: Float64Array, idOf: (place: number) => string): string[] {
  const furthest = y.reduce((far, value, i) => (Math.abs(value) > Math.abs(y[far]) ? i : far), 0);
  const share = y[furthest] ** 2 / y.length;
  if (share < OUTLYING || y.length < 1 / OUTLYING ** 2) return [];
  return [
    `One document, ${idOf(furthest)}, makes ${(100 * share).toFixed(0)} % of the variance: trust ranks (Spearman) more than values here.`,
  ];
}

function notesOn(
  effects: FeatureEffect[],
  facts: { documents: number; folds: number; adjusted: number | null; lasso: CrossValidatedLasso | null },
): string[] {
  const left = (why: FeatureEffect['leftOut']) =>
    effects.filter(({ leftOut }) => leftOut === why).map(({ name }) => name);
  const [constant, redundant] = [left('constant'), left('redundant')];
  const { documents, folds, adjusted, lasso } = facts;
  return [
    constant.length > 0 ? `The same for all documents, so in no regression: ${constant.join(', ')}.` : '',
    redundant.length > 0
      ? `Left out of the regressions, which others already determine on these documents: ${redundant.join(', ')}.`
      : '',
    adjusted === null ? `R² means nothing here: ${documents} documents are too few for so many heuristics.` : '',
    lasso === null && constant.length < effects.length
      ? `No Lasso: cross-validation in ${folds} folds needs ${DOCUMENTS_A_FOLD * folds} documents, there are ${documents}.`
      : '',
    lasso?.oneStandardError === 0 ? 'No heuristic predicts held-out documents: the Lasso chose none.' : '',
  ].filter(Boolean);
}
