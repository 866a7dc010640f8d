import { AVERAGE, type AutoscaleData, type ComparedMixture } from '../../report/autoscale-data.ts';
import { signed } from '../../report/text.ts';

type Result = Pick<AutoscaleData, 'findings' | 'mixtures' | 'target'>;

/** A mixture's place on the average of domains. */
export const averageOf = ({ losses }: ComparedMixture) => losses.find(({ measure }) => measure === AVERAGE)!;

/** What the run found, in one sentence, whichever way it fell. */
export function headlineOf(mixtures: readonly ComparedMixture[]): string {
  const [baseline] = mixtures;
  const ours = mixtures.find(({ name }) => name === 'autoscale')!;
  const { difference } = averageOf(ours);
  const { mean, test, clear } = difference!;
  const how = `${signed(mean)} nats on average over domains against ${baseline.title}`;
  if (!test) return `AutoScale’s mixture: ${how}, with one seed.`;
  const p = `p = ${test.adjusted.toPrecision(2)}`;
  if (!clear) return `AutoScale’s mixture: ${how}, which is no clear difference (${p}).`;
  return `AutoScale’s mixture is ${mean < 0 ? 'better' : 'worse'}: ${how} (${p}).`;
}

/** What else there is to say: how good the prediction was, who was best, what is repeated. */
export function remarksOf({ findings, mixtures, target }: Result): string[] {
  const best = mixtures.reduce((least, each) => (averageOf(each).mean < averageOf(least).mean ? each : least));
  const repeated = mixtures.flatMap(({ name, domains }) =>
    domains
      .filter(({ epochs }) => epochs > 1)
      .map(({ domain, epochs }) => `${name} reads ${domain} ${epochs.toFixed(1)} times`),
  );
  return [
    `Lowest average loss: ${best.name} (${best.title}), ${averageOf(best).mean.toFixed(4)}.`,
    ...predictionRemarks(findings, target),
    ...(repeated.length > 0 ? [`Rows are repeated: ${repeated.join('; ')}.`] : []),
    ...new Set(
      [...findings.small.warnings, ...(findings.target?.warnings ?? [])].map((warning) => `${capital(warning)}.`),
    ),
  ];
}

/** How far the prediction is from what the target's own search says, beside mixtures that took no prediction. */
function predictionRemarks({ small, target, domains }: Result['findings'], rows: number): string[] {
  if (!target || !small.prediction) return [];
  const found = target.scales[0].weights;
  const uniform = domains.map(() => 1 / domains.length);
  const distance = (weights: readonly number[]) => (100 * moved(weights, found)).toFixed(1);
  return [
    `At ${rows} rows the predicted weights differ from those searched there by ${distance(small.prediction.weights)} % of the data; ` +
      `the optimum of the largest small scale by ${distance(small.scales.at(-1)!.weights)} %, equal weights by ${distance(uniform)} %.`,
  ];
}

/** The share of the data that has to change its domain to turn one mixture into another: half the L1 distance. */
export function moved(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, weight, d) => sum + Math.abs(weight - b[d]), 0) / 2;
}

const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);
