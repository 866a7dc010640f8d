import { AVERAGE, type AutoscaleData, type ComparedLoss } from '../report/autoscale-data.ts';
import { plusMinus, signed } from '../report/text.ts';
import { formatTable } from './table.ts';

/** The result of a run of AutoScale for a terminal: weights by scale, then every mixture at the target. */
export function formatAutoscale(data: AutoscaleData): string {
  return [weightTable(data), '', lossTable(data), '', data.headline, ...data.remarks].join('\n');
}

/** The optimum of each scale, the prediction, and what the target's own search found, side by side. */
function weightTable({ findings, small, target }: AutoscaleData): string {
  const { domains } = findings;
  const rows: [string, readonly number[]][] = [
    ...findings.small.scales.map(({ weights }, i): [string, number[]] => [`optimum at ${small[i]} rows`, weights]),
    [`predicted at ${target} rows`, findings.small.prediction!.weights],
    ...(findings.target?.scales ?? []).map(({ weights }): [string, number[]] => [`optimum at ${target} rows`, weights]),
  ];
  return formatTable(
    ['domain weights', ...domains],
    rows.map(([name, weights]) => [name, ...weights.map((weight) => weight.toFixed(3))]),
  );
}

function lossTable({ findings, mixtures, target }: AutoscaleData): string {
  return formatTable(
    [
      `trained on ${target} rows`,
      ...findings.domains.map((domain) => `${domain} weight`),
      ...findings.domains.map((domain) => `${domain} loss`),
      AVERAGE,
    ],
    mixtures.map(({ name, weights, losses }) => [
      name,
      ...weights.map((weight) => weight.toFixed(3)),
      ...losses.map(lossCell),
    ]),
  );
}

function lossCell({ mean, sd, difference }: ComparedLoss): string {
  if (!difference) return plusMinus(mean, sd);
  return `${signed(difference.mean)} ± ${difference.sd.toFixed(3)}${difference.clear ? ' *' : '  '}`;
}
