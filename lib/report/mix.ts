import type { AnalyzedScale, MixtureAnalysis } from '../mix/analysis.ts';
import { amount } from '../mix/amount.ts';
import { howFitted, mixtureHeadline, percent, predictedChange, predictionErrors } from '../mix/describe.ts';
import type { ScaleResponse } from '../mix/response.ts';
import { definitions, figure, section, table } from './html.ts';
import { responseCurves, responseHeatmap, weightCurves } from './mix-charts.ts';
import { page } from './shell.ts';
import { escapeHtml as e, signed } from './text.ts';

/** Where the page's numbers come from. */
export interface MixReportSource {
  title: string;
  created: string;
  /** Paths and settings, by name. */
  facts: { name: string; value: string }[];
}

/** The page of a mixture experiment. */
export async function renderMixReport(analysis: MixtureAnalysis, source: MixReportSource): Promise<string> {
  return page({
    title: `${source.title}: mixtures`,
    source: `mixtures from ${source.title} · ${source.created}`,
    headline: mixtureHeadline(analysis).replaceAll(' %', '\u00a0%'),
    remarks: remarksOf(analysis),
    sections: [...(await mixtureSections(analysis)), section('Made from', '', definitions(source.facts), 'wide')],
  });
}

/**
 * What is known of mixtures: weights against scale, how the metric answers to each domain, and the laws.
 * @param searched further scales that the prediction was not made from, to compare it with
 */
export async function mixtureSections(
  analysis: MixtureAnalysis,
  searched: readonly AnalyzedScale[] = analysis.searched,
): Promise<string[]> {
  const measured = [...analysis.scales, ...searched].filter(({ response }) => response !== null);
  return [
    await weightsSection(analysis, searched),
    measured.length === 0
      ? ''
      : section(
          'How the metric answers to each domain',
          `Dots are runs with more or less of one domain${errorsKnown(measured) ? ', with two standard errors' : ''}; lines are the laws y = (x + a)^(−b) + c; the stroke is at the best amount. Each panel has the same axes, so a flat line is a domain that matters little.`,
          figure(await responseCurves(measured, analysis.domains)),
          'wide',
        ),
    ...(await Promise.all(measured.map((scale) => scaleSections(scale, analysis)))).flat(),
  ];
}

function remarksOf(analysis: MixtureAnalysis): string[] {
  const { scales, prediction, warnings } = analysis;
  const gains = scales.flatMap((scale) => {
    const change = predictedChange(scale);
    return change === null ? [] : [`${change} at ${amount(scale.total)}`];
  });
  return [
    ...(gains.length > 0 ? [`What the laws say of the metric against the base run: ${gains.join(', ')}.`] : []),
    ...(prediction && scales.length > 2
      ? [`The curve misses the best amounts of the scales by ${percent(prediction.residual)} (root mean square).`]
      : []),
    ...predictionErrors(analysis).map((error) => `${error}.`),
    ...warnings.map((warning) => `${warning[0].toUpperCase()}${warning.slice(1)}.`),
  ];
}

const errorsKnown = (scales: AnalyzedScale[]): boolean =>
  scales.some(({ response }) => response!.responses.some(({ points }) => points.some(({ sigma }) => sigma !== null)));

async function weightsSection(analysis: MixtureAnalysis, searched: readonly AnalyzedScale[]): Promise<string> {
  const several = analysis.scales.length > 1;
  const drawing = several ? figure(await weightCurves(analysis, searched)) : '';
  return section(
    several ? 'Weights against scale' : 'The best mixture',
    several ? 'Each domain’s best amount grows by a factor of its own from scale to scale; the weights follow.' : '',
    `${drawing}${weightsTable(analysis, searched)}`,
    'wide',
  );
}

function weightsTable(
  { domains, scales, prediction, baselines }: MixtureAnalysis,
  searched: readonly AnalyzedScale[],
): string {
  const bases = scales.flatMap(({ base }) => (base ? [shares(base)] : []));
  const own = bases.filter((base) => !isSame(base, baselines.uniform)).slice(0, 1);
  const compared = [...Object.entries(baselines), ...own.map((base): [string, number[]] => ['base', base])];
  const rows = domains.map((domain, d) => [
    e(domain),
    ...compared.map(([, weights]) => percent(weights[d])),
    ...scales.flatMap(({ weights, optimum, descent }) => [
      `${percent(weights[d], 2)}${boundTag(optimum?.atFloor[d], optimum?.atCap[d])}`,
      ...(descent ? [percent(descent.weights[d], 2)] : []),
    ]),
    ...(prediction ? [percent(prediction.weights[d], 2), amount(prediction.quantities[d])] : []),
    ...(prediction?.epochs ? [prediction.epochs[d].toFixed(2)] : []),
    ...searched.map(({ weights }) => percent(weights[d], 2)),
  ]);
  const head = [
    'domain',
    ...compared.map(([name]) => e(name)),
    ...scales.flatMap((scale) => [`best at ${amount(scale.total)}`, ...(scale.descent ? ['by descent'] : [])]),
    ...(prediction ? [`predicted at ${amount(prediction.target)}`, 'amount'] : []),
    ...(prediction?.epochs ? ['epochs'] : []),
    ...searched.map(({ total }) => `searched at ${amount(total)}`),
  ];
  return table(head, rows);
}

const shares = (amounts: number[]): number[] => {
  const sum = amounts.reduce((total, n) => total + n, 0);
  return amounts.map((n) => n / sum);
};

const isSame = (p: number[], q: number[]): boolean => p.every((share, d) => Math.abs(share - q[d]) < 1e-12);

const boundTag = (atFloor = false, atCap = false): string =>
  atFloor || atCap ? ` <span class="tag">${atFloor ? 'floor' : 'cap'}</span>` : '';

async function scaleSections(scale: AnalyzedScale, { measures }: MixtureAnalysis): Promise<string[]> {
  const response = scale.response!;
  const name = amount(scale.total);
  return [
    response.cells.length > 0
      ? section(
          `What each domain does to each, at ${name}`,
          'Change of each measure against the base run, in runs with less and more of the domain of the row.',
          figure(await responseHeatmap(response, measures)),
          'wide',
        )
      : '',
    section(
      `Laws at ${name}`,
      `From ${response.runs} runs; metric ${response.baseMetric.toPrecision(5)} in the base run.`,
      lawTable(response),
      'wide',
    ),
  ];
}

function lawTable({ base, responses }: ScaleResponse): string {
  const rows = responses.map(({ domain, points, fit }, d) => {
    const { standardErrors: errors, diagnosis } = fit;
    const number = (value: number, error?: number) =>
      `${value.toFixed(3)}${error === undefined ? '' : ` ± ${error.toFixed(3)}`}`;
    const changes = points
      .filter(({ x }) => x !== 1)
      .map(({ x, y }) => `× ${amount(x)}: ${signed(100 * (y - 1), 2)} %`);
    return [
      `${e(domain)}${diagnosis === null ? '' : `<small>${e(howFitted(fit))}</small>`}`,
      amount(base[d]),
      changes.join(', '),
      number(fit.a, errors?.a),
      number(fit.b, errors?.b),
      number(fit.c, errors?.c),
      diagnosis === null ? howFitted(fit) : e(diagnosis),
    ];
  });
  return table(['domain', 'base amount', 'metric', 'a', 'b', 'c', 'fit'], rows);
}
