import type { DocumentRow, Estimate, QualityData, ReportData, Saving } from './data.ts';
import { table } from './html.ts';
import { escapeHtml as e, excerpt, formatSeconds, plusMinus, withError } from './text.ts';

/** Cost of each scoring against what its quickest plan saves. */
export function scoringCosts({ scorings, reaches, plans }: ReportData): string {
  const shared = scorings.some(({ sharedWith }) => sharedWith.length > 0);
  const lead = `<p>Cost of a scoring alone: training the model that scores, where one is needed, and scoring the pool, in FLOPs of matrix products and in trainings like the ones compared.${
    shared ? ' Scorings made by one stage share its time; each is charged with all of it.' : ''
  }${
    reaches.length > 0
      ? ` A saving is the share of the steps that the quickest plan by that scoring does not need to be down to the loss at which ${e(plans[0].name)} ends; scoring pays off once so many trainings have used it.`
      : ''
  }</p>`;
  const head = ['scoring', 'time', 'TFLOP', 'trainings', ...reaches.map(({ measure }) => `pays off on ${e(measure)}`)];
  const rows = scorings.map(({ name, title, seconds, flops, trainings, savings, sharedWith }) => [
    `${e(name)}<small>${e(title)}</small>`,
    `${formatSeconds(seconds)}${sharedWith.length > 0 ? `<small>with ${e(sharedWith.join(', '))}</small>` : ''}`,
    (flops / 1e12).toFixed(2),
    trainings.toFixed(1),
    ...savings.map(saving),
  ]);
  return lead + table(head, rows);
}

function saving({ plan, share, paysAfter }: Saving): string {
  if (plan === null) return 'no plan is sooner';
  return `after ${paysAfter!.toFixed(0)} trainings<small>${e(plan)} saves ${(100 * share).toFixed(0)} % of the steps</small>`;
}

/** Agreement of scorings with each other and with more thorough ones, and with labels that none of them saw. */
export function qualitySection({ scorings, agreement, quality }: ReportData): string {
  const thorough = scorings
    .filter(({ spearman }) => spearman !== null)
    .map(
      ({ name, spearman, proxyRows }) =>
        `<p>${e(name)}: the pool’s way of scoring against the full annotation of ${proxyRows} proxy rows (of the held-out ones, where a scorer learnt them), rank correlation (Spearman): <strong>${withError(spearman!, 2)}</strong>.</p>`,
    );
  const pairs = agreement.map(({ a, b, spearman }) => [
    `${e(a)} and ${e(b)}`,
    spearman === null ? 'not defined' : withError(spearman, 3),
  ]);
  const alike =
    pairs.length > 0 ? `<h3>How alike do they rank the pool? (Spearman, ± standard error)</h3>${table([], pairs)}` : '';
  return thorough.join('') + alike + (quality ? labelTables(quality) : '<p>There are no labels to judge by.</p>');
}

function sharePercent({ value, standardError }: Estimate): string {
  return `${plusMinus(100 * value, 100 * standardError!, 1)} %`;
}

function labelTables({ column, positive, positives, negatives, groupColumn, scores, purity }: QualityData): string {
  const groups = [...new Set(scores.flatMap(({ byGroup }) => Object.keys(byGroup)))];
  const areas = table(
    ['score', 'all', ...groups.map(e)],
    scores.map(({ name, auc, byGroup }) => [
      e(name),
      withError(auc, 3),
      ...groups.map((group) => (group in byGroup ? withError(byGroup[group], 3) : '')),
    ]),
  );
  const kept =
    purity.length > 1
      ? `<h3>Rows with ${e(column)} ${e(positive)} among the labelled rows that are kept</h3>${table(
          ['kept', 'labelled rows', 'share'],
          purity.map(({ name, judged, share }) => [e(name), String(judged), share === null ? '' : sharePercent(share)]),
        )}`
      : '';
  return `<h3>Do they put ${e(column)} ${e(positive)} first?</h3><p>How often a row with ${e(column)} ${e(positive)} is ranked above one with another ${e(column)} (area under the ROC curve; ${positives} rows against ${negatives}; 0.5 is chance; ± is the standard error, for want of more rows)${groupColumn === null ? '' : `, and by the other’s ${e(groupColumn)}`}. No method sees it.</p>${areas}${kept}`;
}

export function documentsSection({ scorings }: ReportData): string {
  return scorings
    .map(
      ({ name, ...extremes }, i) =>
        `<details${i === 0 ? ' open' : ''}><summary><strong>by ${e(name)}</strong></summary>${extremesOf(extremes)}</details>`,
    )
    .join('');
}

/** The highest- and the lowest-scored documents beside each other. */
export function extremesOf({ best, worst }: { best: DocumentRow[]; worst: DocumentRow[] }): string {
  const cards = (rows: DocumentRow[]) => rows.map(documentCard).join('');
  return `<div class="row"><div><h3>Highest</h3>${cards(best)}</div><div><h3>Lowest</h3>${cards(worst)}</div></div>`;
}

function documentCard(row: DocumentRow): string {
  const text = excerpt(row.text, 1200);
  const label = row.label === null ? '' : ` <span class="tag">${e(row.label)}</span>`;
  return `<details><summary><span class="score">${row.score.toPrecision(3)}</span><span class="tag">${e(row.domain)}</span>${label}<span class="first">${e(text.slice(0, 120))}</span></summary><pre class="text">${e(text)}</pre></details>`;
}

/** Wall time by stage. */
export function costSection({ cost }: Pick<ReportData, 'cost'>): string {
  const total = cost.reduce((sum, { seconds }) => sum + seconds, 0);
  return table(
    [],
    [...cost, { stage: 'all of it', seconds: total }].map(({ stage, seconds }) => [e(stage), formatSeconds(seconds)]),
  );
}
