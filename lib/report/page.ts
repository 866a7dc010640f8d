import * as charts from './charts.ts';
import type { DocumentRow, DomainRow, ReportData } from './data.ts';
import { STYLE } from './style.ts';
import { escapeHtml as e, excerpt, formatSeconds, plusMinus, signed } from './text.ts';

/**
 * The page of a finished run: one HTML document that loads nothing from anywhere.
 * Every text of the corpus is escaped, with e-mail addresses masked.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const [curves, histograms, order, differences] = await Promise.all([
    charts.lossCurves(data),
    charts.scoreHistograms(data),
    charts.orderPicture(data),
    charts.differences(data),
  ]);
  const seeds = data.seeds.length;
  const sections = [
    section(
      'Validation loss by domain',
      `Mean ± standard deviation over ${seeds} seed${seeds === 1 ? '' : 's'}; the difference to ${data.plans[0].name} is paired: same seed, same initial weights. Lower is better.`,
      domainTable(data),
      'wide',
    ),
    section('Difference to the baseline', 'Each dot is one seed, the bar their mean.', figure(differences)),
    section(
      'Loss along training',
      data.curves.kind === 'validation'
        ? 'Mean validation loss of the domains; thin lines are single seeds.'
        : 'Each plan sees other rows, so these curves show how learning went, not which plan is better. Smoothed; thin lines are single seeds.',
      figure(curves),
    ),
    section('Scores by domain', 'Share of each domain’s rows by score.', figure(histograms)),
    section('Score along the training order', 'What a plan shows the model first, and last.', figure(order)),
    section('What scoring cost', '', cost(data)),
    section('Is the score any good?', '', quality(data)),
    section(
      'Highest-scored documents',
      'Mean score of a document’s rows. Open one to read it.',
      data.best.map(documentCard).join(''),
    ),
    section('Lowest-scored documents', '', data.worst.map(documentCard).join('')),
    section(
      'Do it again',
      '',
      `<pre>${e(data.command)}</pre><details><summary>Recipe, with all defaults</summary><pre>${e(data.recipe)}</pre></details>`,
      'wide',
    ),
    section('Made with', '', definitions(data.environment), 'wide'),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${e(data.name)} · gradfold</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p class="name">gradfold · run ${e(data.name)} · ${e(data.created)}</p>
<h1>${e(data.headline)}</h1>
<ul class="remarks">${data.remarks.map((remark) => `<li>${e(remark)}</li>`).join('')}</ul>
</header>
<div class="grid">
${sections.join('\n')}
</div>
</main>
</body>
</html>
`;
}

function section(title: string, lead: string, body: string, className = ''): string {
  return `<section${className ? ` class="${className}"` : ''}><h2>${e(title)}</h2>${lead ? `<p>${e(lead)}</p>` : ''}${body}</section>`;
}

const figure = (svg: string): string => `<figure>${svg}</figure>`;

function domainTable(data: ReportData): string {
  const heads = data.plans.map(
    ({ name, description }, i) =>
      `<th title="${e(description)}"><span class="swatch" style="background:var(--plan-${i % 5})"></span>${e(name)}</th>${i > 0 ? '<th>difference</th>' : ''}`,
  );
  return `<div class="scroll"><table><thead><tr><th>domain</th><th>rows</th>${heads.join('')}</tr></thead><tbody>${data.domains
    .map(domainRow)
    .join('')}</tbody></table></div><dl style="margin-top:12px">${data.plans
    .map(({ name, description }) => `<dt>${e(name)}</dt><dd>${e(description)}</dd>`)
    .join('')}</dl>`;
}

function domainRow(row: DomainRow): string {
  const cells = row.plans.map(({ mean, sd, difference }) => {
    const loss = `<td>${plusMinus(mean, sd)}</td>`;
    if (!difference) return loss;
    const className = difference.clear ? (difference.mean < 0 ? 'good' : 'bad') : '';
    return `${loss}<td class="${className}">${signed(difference.mean)} ± ${difference.sd.toFixed(3)}</td>`;
  });
  const tag = row.target ? ' <span class="tag">target</span>' : '';
  return `<tr><td>${e(row.domain)}${tag}</td><td>${row.rows}</td>${cells.join('')}</tr>`;
}

function cost({ scoring, cost: stages }: ReportData): string {
  const lead = `Scoring took ${formatSeconds(scoring.seconds)}, ${(100 * scoring.share).toFixed(0)} % of the run: ${scoring.poolRows} pool rows at ${times(scoring.poolVisits)}, ${scoring.proxyRows} proxy rows at ${times(scoring.proxyVisits)}.`;
  const rows = stages.map((x) => `<tr><td>${e(x.stage)}</td><td>${formatSeconds(x.seconds)}</td></tr>`).join('');
  return `<p>${e(lead)}</p><div class="scroll"><table><tbody>${rows}</tbody></table></div>`;
}

const times = (visits: number): string => `${visits} step${visits === 1 ? '' : 's'}`;

function quality({ scoring, quality: labels }: ReportData): string {
  const rank =
    scoring.spearman === null
      ? ''
      : `<p>Rank correlation (Spearman) of the pool’s cheap score with the full annotation, over ${scoring.proxyRows} proxy rows: <strong>${scoring.spearman.toFixed(2)}</strong>.</p>`;
  if (!labels) return `${rank}<p>The pool has no labels to judge by.</p>`;
  const rows = labels.scores.map((x) => `<tr><td>${e(x.name)}</td><td>${x.auc.toFixed(3)}</td></tr>`).join('');
  return `${rank}<p>Probability that a ${e(labels.positive)} document is ranked above a ${e(labels.negative)} one (${labels.positives} against ${labels.negatives}; 0.5 is chance). No method sees the labels.</p><table><tbody>${rows}</tbody></table>`;
}

function documentCard(row: DocumentRow): string {
  const text = excerpt(row.text, 1200);
  const label = row.label === null ? '' : ` <span class="tag">${e(row.label)}</span>`;
  return `<details><summary><span class="score">${row.score.toPrecision(3)}</span><span class="tag">${e(row.domain)}</span>${label}<span class="first">${e(text.slice(0, 120))}</span></summary><pre class="text">${e(text)}</pre></details>`;
}

function definitions(rows: ReportData['environment']): string {
  return `<dl>${rows.map(({ name, value }) => `<dt>${e(name)}</dt><dd>${e(value)}</dd>`).join('')}</dl>`;
}
