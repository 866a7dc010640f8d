import type { ReportData } from '../report/data.ts';
import { formatSeconds, plusMinus, signed } from '../report/text.ts';
import { formatTable } from './table.ts';

/** The result of a run for a terminal. */
export function formatRun(data: ReportData): string {
  const heads = data.plans.flatMap(({ name }, i) => (i === 0 ? [name] : [name, 'difference']));
  const losses = formatTable(
    ['validation loss', ...heads],
    data.domains.map((row) => [
      row.target ? `${row.domain} (target)` : row.domain,
      ...row.plans.flatMap(({ mean, sd, difference }) => [
        plusMinus(mean, sd),
        ...(difference ? [`${signed(difference.mean)} ± ${difference.sd.toFixed(3)}`] : []),
      ]),
    ]),
  );
  const { scoring, quality } = data;
  const lines = [
    `Scoring took ${formatSeconds(scoring.seconds)}, ${(100 * scoring.share).toFixed(0)} % of the run.`,
    scoring.spearman === null
      ? ''
      : `The pool's cheap score agrees with the full annotation of ${scoring.proxyRows} proxy rows: Spearman ${scoring.spearman.toFixed(2)}.`,
    quality === null
      ? ''
      : `AUC of ${quality.positive} over ${quality.negative} (labels no method saw): ${quality.scores
          .map(({ name, auc }) => `${name} ${auc.toFixed(3)}`)
          .join(', ')}.`,
  ];
  return [losses, '', data.headline, ...data.remarks, ...lines.filter(Boolean)].join('\n');
}
