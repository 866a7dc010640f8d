import { FEW, planColors } from './charts.ts';
import type { Difference, DomainRow, PlanRow, ReachRow, ReportData } from './data.ts';
import { familyOf } from './families.ts';
import { definitions, table } from './html.ts';
import { escapeHtml as e, plusMinus, signed } from './text.ts';

/** One row a plan, under the family that it belongs to, with radio buttons that show the plans of one scoring alone. */
export function comparisonTable(data: ReportData): string {
  const colors = planColors(data.plans);
  const pure = data.plans.some(({ purity }) => purity !== null);
  const heads = [
    'plan',
    ...(pure ? ['clean rows'] : []),
    ...data.domains.map((row) => `${e(row.domain)}${row.target ? ' <span class="tag">target</span>' : ''}`),
    ...data.reaches.map(({ measure }) => `steps, ${e(measure)}`),
  ];
  const many = data.plans.length > FEW;
  const rows = data.plans.map((plan, i) => {
    const cells = [
      ...(pure ? [`<td>${plan.purity === null ? '' : `${(100 * plan.purity).toFixed(1)} %`}</td>`] : []),
      ...data.domains.map((row) => lossCell(row, i)),
      ...data.reaches.map(({ plans }) => `<td>${reachCell(plans[i])}</td>`),
    ];
    const name = `<span class="swatch" style="background:${colors.of(plan)}"></span>${e(plan.name)}`;
    const words = many ? '' : `<small>${e(describe(plan))}</small>`;
    return `${many ? familyHead(data.plans, i, heads.length) : ''}<tr${ofScoring(plan)}><td title="${e(describe(plan))}">${name}${words}</td>${cells.join('')}</tr>`;
  });
  const key = many
    ? `<details><summary>What the plans are</summary>${definitions(data.plans.map((plan) => ({ name: plan.name, value: describe(plan) })))}</details>`
    : '';
  return `<div class="compared">${filters(data)}<div class="scroll"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></div>${key}`;
}

/** A heading where a family of plans begins. */
function familyHead(plans: PlanRow[], i: number, columns: number): string {
  const family = familyOf(plans[i]);
  if (i === 0 || (i > 1 && familyOf(plans[i - 1]) === family)) return '';
  return `<tr class="family"${ofScoring(plans[i])}><td colspan="${columns}">${e(family)}</td></tr>`;
}

const ofScoring = ({ scoring }: PlanRow): string => (scoring === null ? '' : ` data-scoring="${e(scoring)}"`);

const describe = ({ description, sameAs }: PlanRow): string =>
  sameAs === null ? description : `${description}: the same rows in the same order as ${sameAs}, so not trained again`;

function lossCell({ plans }: DomainRow, i: number): string {
  const { mean, sd, difference } = plans[i];
  if (!difference) return `<td>${plusMinus(mean, sd)}</td>`;
  return `<td class="${verdictClass(difference)}">${signed(difference.mean)} ± ${difference.sd.toFixed(3)}<small>${mean.toFixed(3)}</small></td>`;
}

export const verdictClass = ({ clear, mean }: Difference): string => (clear ? (mean < 0 ? 'good' : 'bad') : '');

function reachCell({ mean, sd, speed }: ReachRow): string {
  if (mean === null) return '–';
  return `${mean.toFixed(0)} ± ${sd!.toFixed(0)}${speed === null ? '' : `<small>${speed.toFixed(2)} × as fast</small>`}`;
}

/** The scorings that plans go by, where there are several. */
function filtered(data: ReportData): string[] {
  const names = [...new Set(data.plans.flatMap(({ scoring }) => (scoring === null ? [] : [scoring])))];
  return names.length > 1 ? names : [];
}

function filters(data: ReportData): string {
  const names = filtered(data);
  if (names.length === 0) return '';
  const radio = (id: string, label: string, checked = false) =>
    `<label><input type="radio" name="scoring" id="${id}"${checked ? ' checked' : ''}>${e(label)}</label>`;
  return `<div class="filter">Show ${radio('show-all', 'all plans', true)}${names.map((name, i) => radio(`show-${i}`, name)).join('')}</div>`;
}

/** What the radio buttons do, without a script. */
export function filterStyle(data: ReportData): string {
  return filtered(data)
    .map(
      (name, i) =>
        `.compared:has(#show-${i}:checked) tr[data-scoring]:not([data-scoring="${e(name)}"]) { display: none; }`,
    )
    .join('\n');
}

/** Every loss and every test of every plan and domain. */
export function allNumbers(data: ReportData): string {
  const p = (x: number | undefined) => (x === undefined ? '' : x.toFixed(4));
  const rows = data.domains.flatMap((row) =>
    row.plans.map(({ plan, mean, sd, difference }) => [
      e(row.domain),
      e(plan),
      plusMinus(mean, sd, 4),
      difference ? `${signed(difference.mean, 4)} ± ${difference.sd.toFixed(4)}` : '',
      difference?.test
        ? `${signed(difference.mean - difference.test.margin)} … ${signed(difference.mean + difference.test.margin)}`
        : '',
      p(difference?.test?.t),
      p(difference?.test?.adjusted),
      p(difference?.test?.permutation),
    ]),
  );
  const head = ['domain', 'plan', 'loss', 'difference', '95 % interval', 'p, paired t', 'p, Holm', 'p, permutation'];
  return table(head, rows);
}
