import type { DomainRow, ReportData } from '../report/data.ts';
import { explanationHeadline } from '../report/explanation.ts';
import { gainCells, gainHead, gainWords, RUN_NAMES } from '../report/net-gain.ts';
import { formatSeconds, plusMinus, signed, withError } from '../report/text.ts';
import { formatTable } from './table.ts';

/** The result of a run for a terminal. */
export function formatRun(data: ReportData): string {
  const gains = gainTables(data).flatMap((part) => [part, '']);
  return [lossTable(data), '', ...gains, data.headline, ...data.remarks, ...scoringLines(data)].join('\n');
}

/** The same with what a comparison is about: tests, steps to the baseline's loss, cost against saving. */
export function formatComparison(data: ReportData): string {
  const parts = [lossTable(data), testTable(data), reachTable(data), savingTable(data), ...gainTables(data)].filter(
    Boolean,
  );
  return [data.headline, '', ...parts.flatMap((part) => [part, '']), ...data.remarks, ...scoringLines(data)].join('\n');
}

/** One line a plan: the loss of the first, the difference of the others to it; a star where it is clear. */
function lossTable({ plans, domains }: ReportData): string {
  const pure = plans.some(({ purity }) => purity !== null);
  return formatTable(
    [
      'validation loss',
      ...domains.map((row) => (row.target ? `${row.domain} (target)` : row.domain)),
      ...(pure ? ['clean rows'] : []),
    ],
    plans.map(({ name, purity }, i) => [
      name,
      ...domains.map((row) => lossCell(row, i)),
      ...(purity === null ? [] : [`${(100 * purity).toFixed(1)} %`]),
    ]),
  );
}

function lossCell({ plans }: DomainRow, i: number): string {
  const { mean, sd, difference } = plans[i];
  if (!difference) return plusMinus(mean, sd);
  return `${signed(difference.mean)} ± ${difference.sd.toFixed(3)}${difference.clear ? ' *' : '  '}`;
}

/** p-values on the target and over all domains. */
function testTable({ plans, domains }: ReportData): string {
  const rows = domains.filter((row, i) => row.target || i === domains.length - 1);
  const tested = plans.flatMap((_, i) => (rows[0].plans[i].difference?.test ? [i] : []));
  if (tested.length === 0) return '';
  return formatTable(
    ['p (paired t, Holm, permutation)', ...rows.map((row) => row.domain)],
    tested.map((i) => [
      plans[i].name,
      ...rows.map((row) => {
        const { t, adjusted, permutation } = row.plans[i].difference!.test!;
        return [t, adjusted, permutation].map((p) => p.toFixed(4)).join('  ');
      }),
    ]),
  );
}

function reachTable({ plans, reaches, steps, seeds }: ReportData): string {
  if (reaches.length === 0) return '';
  return formatTable(
    [`steps to the loss of ${plans[0].name}`, ...reaches.map(({ measure }) => measure)],
    plans.map(({ name }, i) => [
      name,
      ...reaches.map(({ plans: rows }) => {
        const { mean, sd, speed, perSeed } = rows[i];
        if (mean !== null) return `${mean.toFixed(0)} ± ${sd!.toFixed(0)} of ${steps}, ${speed!.toFixed(2)} × as fast`;
        return `not reached with ${perSeed.filter((step) => step === null).length} of ${seeds.length} seeds`;
      }),
    ]),
  );
}

function savingTable({ scorings, reaches }: ReportData): string {
  if (scorings.length === 0 || reaches.length === 0) return '';
  return formatTable(
    ['cost of scoring', 'time', 'TFLOP', 'trainings', ...reaches.map(({ measure }) => `pays off on ${measure}`)],
    scorings.map(({ name, seconds, flops, trainings, savings }) => [
      name,
      formatSeconds(seconds),
      (flops / 1e12).toFixed(2),
      trainings.toFixed(1),
      ...savings.map(({ plan, share, paysAfter }) =>
        plan === null
          ? 'no plan is sooner'
          : `after ${paysAfter!.toFixed(0)} trainings, ${plan} saves ${(100 * share).toFixed(0)} %`,
      ),
    ]),
  );
}

/** What each plan by a scoring saves and costs in compute, a table a measure. */
function gainTables({ gains = [], plans }: ReportData): string[] {
  return gains.map(({ measure, plans: rows }) => {
    const names = { ...RUN_NAMES, first: `net gain, ${measure}` };
    const all = rows.map(({ gain }) => gain);
    const cells = rows.map(({ plan, gain }) => [plan, ...gainCells(gain)]);
    return `${formatTable(gainHead(names), cells)}\n${gainWords(all, { baseline: plans[0].name, making: names.making, beforehand: true })}`;
  });
}

function scoringLines({ scorings, quality, explanations = [] }: ReportData): string[] {
  const agreeing = scorings.filter(({ spearman }) => spearman !== null);
  return [
    ...agreeing.map(
      ({ name, spearman, proxyRows }) =>
        `${name}: the pool's way of scoring against the full annotation of ${proxyRows} proxy rows: Spearman ${withError(spearman!, 2)}.`,
    ),
    ...(quality === null
      ? []
      : [
          `AUC of ${quality.column} ${quality.positive} over the others (no method saw it): ${quality.scores
            .map(({ name, auc }) => `${name} ${withError(auc, 3)}`)
            .join(', ')}.`,
        ]),
    ...explanations.map(
      ({ name, file, explanation }) => `${explanationHeadline(explanation, name)} Alone on a page: ${file}.`,
    ),
  ];
}
