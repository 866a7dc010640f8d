import type { ExplanationData } from '../score/explain-data.ts';
import type { FeatureEffect } from '../score/explain.ts';
import * as charts from './charts.ts';
import { correlationBars, keptCurves, lassoPicture } from './explanation-charts.ts';
import { definitions, figure, section, table } from './html.ts';
import { extremesOf } from './scorings.ts';
import { page, type PageParts } from './shell.ts';
import { escapeHtml as e, signed } from './text.ts';

/** Where an explanation comes from. */
export interface ExplanationSource {
  /** The score column. */
  column: string;
  /** Paths and what else there is to say, by name. */
  facts: { name: string; value: string }[];
  created: string;
}

/** The page of an explanation of scores. Every text of the corpus is escaped, with e-mail addresses masked. */
export async function renderExplanation(data: ExplanationData, source: ExplanationSource): Promise<string> {
  const { column, facts, created } = source;
  const { sections, ...words } = await explanationParts(data, column);
  return page({
    title: `${column} explained`,
    source: `scores ${column} · ${created}`,
    ...words,
    sections: [...sections, section('Made from', '', definitions(facts), 'wide')],
  });
}

/** What a page says and shows of an explanation of a score column. */
export async function explanationParts(
  data: ExplanationData,
  column: string,
): Promise<Pick<PageParts, 'headline' | 'remarks' | 'sections'>> {
  return {
    headline: explanationHeadline(data, column),
    remarks: [
      `${data.rows.toLocaleString('en')} scored rows of ${data.documents.toLocaleString('en')} documents; a document’s score is the mean over its rows.`,
      `Domain alone explains ${percent(data.domainR2)} of the variance between documents.`,
      ...data.notes,
    ],
    sections: [
      section(
        'Correlation with each heuristic',
        'Over documents. Where bar and tick are far apart, a few extreme documents make the difference, or the relation is not a line.',
        figure(await correlationBars(data.features)),
        'wide',
      ),
      section(
        'All heuristics at once',
        'Coefficients are standard deviations of score for one of the heuristic, with all others held: least squares ± its standard error, and the Lasso of the stricter penalty below, where 0 means not chosen.',
        featureTable(data.features),
        'wide',
      ),
      await lassoSection(data),
      section(
        'What stays of each domain',
        'When the lowest-scored share ρ of all rows is dropped. A domain above the dashed line gains weight, one below it loses.',
        `${figure(await keptCurves(data.kept))}${keptTable(data)}`,
        'wide',
      ),
      section(
        'Scores by domain',
        'Share of each domain’s rows by score; the outermost 1 % on each side is left out.',
        `${figure(await charts.scoreHistograms({ histograms: data.histograms, title: column }))}${domainTable(data)}`,
        'wide',
      ),
      section(
        'Documents with the highest and the lowest scores',
        'Mean score of a document’s rows. Open one to read it.',
        extremesOf(data),
        'wide',
      ),
    ],
  };
}

/** How much of the scores simple properties of the text account for, and which most. */
export function explanationHeadline(
  { ols, features, lassoR2 }: Pick<ExplanationData, 'ols' | 'features' | 'lassoR2'>,
  column: string,
): string {
  const strongest = features.filter(({ spearman }) => spearman !== null).slice(0, 2);
  const most = strongest.map(({ name, spearman }) => `${name} (${signed(spearman!, 2)})`).join(' and ');
  const held = lassoR2 === null ? '' : ` (${percent(lassoR2)} on held-out documents)`;
  return `${ols.features} text heuristics explain ${percent(ols.adjustedR2 ?? ols.r2)} of the variance of ${column}${held}; ${most} go with it most.`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function featureTable(features: FeatureEffect[]): string {
  const number = (x: number | null) => (x === null ? '–' : signed(x, 3));
  const rows = features.map((feature) => {
    const { name, definition, mean, standardDeviation, pearson, spearman, ols, olsError, lasso, leftOut } = feature;
    return [
      `${e(name)}<small>${e(definition)}</small>`,
      `${short(mean)} ± ${short(standardDeviation)}`,
      number(pearson),
      number(spearman),
      leftOut ?? `${number(ols)}${olsError === null ? '' : ` ± ${olsError.toFixed(3)}`}`,
      lasso === null || lasso === 0 ? (lasso === null ? '–' : '0') : number(lasso),
    ];
  });
  return table(['heuristic', 'mean ± sd', 'Pearson', 'Spearman', 'least squares', 'Lasso'], rows);
}

const short = (x: number): string => String(Number(x.toPrecision(3)));

async function lassoSection(data: ExplanationData): Promise<string> {
  if (data.lasso === null) return '';
  const { path, best, oneStandardError, folds } = data.lasso;
  const count = (i: number) => path[i].coefficients.filter((x) => x !== 0).length;
  return section(
    'Which heuristics are needed (Lasso)',
    `Coefficients as the penalty weakens, and below the error on held-out documents (${folds} folds, 1: as bad as the mean score), with its standard error. Dashed: the strictest penalty within one standard error of the least error, left (${count(oneStandardError)} heuristics, ${percent(data.lassoR2!)} of held-out variance), and that of least error, right (${count(best)} heuristics, ${percent(1 - path[best].error / path[0].error)}).`,
    figure(await lassoPicture(data)),
    'wide',
  );
}

function keptTable({ kept, domains }: ExplanationData): string {
  return table(
    ['domain', 'rows', ...kept.map(({ rho }) => `ρ = ${rho}`)],
    domains.map(({ domain, rows }) => [
      e(domain),
      rows.toLocaleString('en'),
      ...kept.map(({ domains }) => percent(domains[domain])),
    ]),
  );
}

function domainTable({ domains }: ExplanationData): string {
  return table(
    ['domain', 'rows', 'mean', 'sd', 'lower quartile', 'median', 'upper quartile'],
    domains.map(({ domain, rows, mean, standardDeviation, quartiles }) => [
      e(domain),
      rows.toLocaleString('en'),
      short(mean),
      standardDeviation === null ? '' : short(standardDeviation),
      ...quartiles.map(short),
    ]),
  );
}
