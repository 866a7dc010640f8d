import * as charts from './charts.ts';
import { allNumbers, comparisonTable, filterStyle } from './comparison.ts';
import type { ExplainedScoring, ReportData } from './data.ts';
import { explanationParts } from './explanation.ts';
import { definitions, figure, section } from './html.ts';
import { gainTables } from './net-gain.ts';
import { costSection, documentsSection, qualitySection, scoringCosts } from './scorings.ts';
import { page, type FurtherPage } from './shell.ts';
import { escapeHtml as e } from './text.ts';

/**
 * The page of a finished run. Every text of the corpus is escaped, with e-mail addresses masked.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const sections = [
    ...(await resultSections(data)),
    ...(await scoringSections(data)),
    section('Time of each stage', '', costSection(data)),
    section(
      'Do it again',
      '',
      `<pre>${e(data.command)}</pre><details><summary>Recipe, with all defaults</summary><pre>${e(data.recipe)}</pre></details>`,
    ),
    section('Made with', '', definitions(data.environment)),
  ];
  return page({
    title: data.name,
    source: `run ${data.name} · ${data.created}`,
    headline: data.headline,
    remarks: data.remarks,
    sections,
    style: filterStyle(data),
    further: await Promise.all((data.explanations ?? []).map(explanationPage)),
  });
}

async function explanationPage({ name, explanation }: ExplainedScoring): Promise<FurtherPage> {
  const parts = await explanationParts(explanation, name);
  return { id: `explain-${name}`, title: `What ${name} has to do with the text`, ...parts };
}

async function resultSections(data: ReportData): Promise<string[]> {
  const seeds = `${data.seeds.length} seed${data.seeds.length === 1 ? '' : 's'}`;
  const baseline = data.plans[0].name;
  const reach =
    data.reaches.length === 0
      ? ''
      : ` “Steps” says after how many of the ${data.steps} optimizer steps the validation loss is first down to where ${baseline} ends, mean ± standard deviation over the seeds, and how many times as fast as ${baseline} itself that is; a dash, that it never is with at least one of them.`;
  const purity = data.plans.some(({ purity }) => purity !== null)
    ? ' “Clean rows” is the share of the plan’s rows whose document was not corrupted.'
    : '';
  const numbers =
    data.plans.length > 1
      ? `<details><summary>All numbers: losses, intervals, p-values</summary>${allNumbers(data)}</details>`
      : '';
  return [
    section(
      'Every plan against the baseline',
      `Validation loss in nats a token; lower is better. The row of ${baseline} shows its loss, mean ± standard deviation over ${seeds}; the others show their difference to it, negative where they are better, and their loss below. Colour marks differences that are clear.${reach}${purity}`,
      `${comparisonTable(data)}${numbers}`,
      'wide',
    ),
    data.plans.length > 1
      ? section(
          'Difference to the baseline',
          `Each dot is one seed, the upright bar their mean, the line its 95 % confidence interval. Left of the dashed line is better than ${baseline}. Faint: not clear. Each panel has its own scale.`,
          figure(await charts.differences(data)),
          'wide',
        )
      : '',
    await curvesSection(data, seeds),
    data.positions.length > 0
      ? section(
          'What each plan shows the model, first and last',
          `One dot a row of training (some are left out): to the right later, upward higher in the score that the plan goes by, as the share of the pool that scores lower. Seed ${data.seeds[0]}.`,
          figure(await charts.orderPictures(data)),
          'wide',
        )
      : '',
  ];
}

async function curvesSection(data: ReportData, seeds: string): Promise<string> {
  const baseline = data.plans[0].name;
  if (charts.drawsLeads(data)) {
    return section(
      'Ahead or behind along training',
      `Validation loss minus that of ${baseline} at the same optimizer step (across), in nats a token, mean over ${seeds}. Below the dashed line a plan is ahead.`,
      figure(await charts.leadCurves(data)),
      'wide',
    );
  }
  return section(
    'Loss along training',
    data.curves.kind === 'validation'
      ? `On validation rows: mean over ${seeds}, thin lines are single seeds. Where a curve comes down to the end of that of ${baseline}, it has saved the steps that are left.`
      : 'Of the rows trained on, smoothed; thin lines are single seeds. Each plan sees other rows, so these curves show how learning went, not which plan is better.',
    figure(await charts.lossCurves(data)),
    'wide',
  );
}

async function scoringSections(data: ReportData): Promise<string[]> {
  if (data.scorings.length === 0) return [];
  const histograms = await Promise.all(data.scorings.map((scoring) => charts.scoreHistograms(scoring)));
  return [
    section('What scoring cost, and what it saved', '', `${scoringCosts(data)}${gainTables(data)}`, 'wide'),
    section('Do the scores mean anything?', '', qualitySection(data), 'wide'),
    section(
      'Scores by domain',
      'Share of each domain’s rows by score; the outermost 1 % on each side is left out.',
      `<div class="row">${data.scorings.map(({ name }, i) => `<div><h3>${e(name)}</h3>${figure(histograms[i])}</div>`).join('')}</div>`,
      'wide',
    ),
    section(
      'Documents with the highest and the lowest scores',
      'Mean score of a document’s rows. Open one to read it.',
      documentsSection(data),
      'wide',
    ),
  ];
}
