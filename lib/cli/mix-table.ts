import type { AnalyzedScale, MixtureAnalysis } from '../mix/analysis.ts';
import { amount } from '../mix/amount.ts';
import { howFitted, percent, predictedChange, predictionErrors } from '../mix/describe.ts';
import type { MixtureResponse, ScaleResponse } from '../mix/response.ts';
import { signed } from '../report/text.ts';
import { formatTable } from './table.ts';

/** A table of laws for each scale. */
export function formatResponses({ scales }: MixtureResponse): string {
  return scales.map(formatScaleResponse).join('\n\n');
}

function formatScaleResponse({ total, baseMetric, runs, base, responses }: ScaleResponse): string {
  const factors = [...new Set(responses.flatMap(({ points }) => points.map(({ x }) => x)))].sort((p, q) => p - q);
  const changed = factors.filter((x) => x !== 1);
  const withError = (value: number, error: number | undefined) =>
    error === undefined ? value.toFixed(4) : `${value.toFixed(4)} ± ${error.toFixed(4)}`;
  const rows = responses.map(({ domain, points, fit }, d) => [
    domain,
    amount(base[d]),
    ...changed.map((x) => {
      const point = points.find((each) => each.x === x);
      if (!point) return '';
      const error = point.sigma === null ? '' : ` ± ${(100 * point.sigma).toFixed(2)}`;
      return `${signed(100 * (point.y - 1), 2)}${error} %`;
    }),
    withError(fit.a, fit.standardErrors?.a),
    withError(fit.b, fit.standardErrors?.b),
    withError(fit.c, fit.standardErrors?.c),
    fit.residual.toExponential(1),
    fit.diagnosis ?? howFitted(fit),
  ]);
  const head = ['domain', 'base', ...changed.map((x) => `× ${amount(x)}`), 'a', 'b', 'c', 'residual', 'fit'];
  const notes = responses
    .filter(({ fit }) => fit.diagnosis !== null)
    .map(({ domain, fit }) => `${domain}: ${howFitted(fit)}`);
  const title = `scale ${amount(total)}: metric ${baseMetric.toPrecision(6)} in the base run, ${runs} runs`;
  return [title, formatTable(head, rows), ...notes].join('\n');
}

/** A table of the best mixture for each scale. */
export function formatOptima({ domains, scales, warnings }: MixtureAnalysis): string {
  const tables = scales.map((scale) => formatOptimum(scale, domains));
  return [...tables, ...(warnings.length > 0 ? [noted(warnings).join('\n')] : [])].join('\n\n');
}

function formatOptimum(scale: AnalyzedScale, domains: string[]): string {
  const { base, optimum, descent, weights, quantities } = scale;
  const baseTotal = base?.reduce((sum, n) => sum + n, 0) ?? 1;
  const bound = (d: number) => (optimum?.atFloor[d] ? 'floor' : optimum?.atCap[d] ? 'cap' : '');
  const rows = domains.map((domain, d) => [
    domain,
    ...(base ? [percent(base[d] / baseTotal)] : []),
    percent(weights[d], 2),
    amount(quantities[d], 6),
    ...(optimum ? [optimum.multiples[d].toFixed(6), bound(d)] : []),
    ...(descent ? [descent.multiples[d].toFixed(6)] : []),
  ]);
  const head = [
    'domain',
    ...(base ? ['base'] : []),
    ...['weight', 'amount'],
    ...(optimum ? ['× base', 'bound'] : []),
    ...(descent ? ['descent × base'] : []),
  ];
  const lines = [`scale ${amount(scale.total)}`, formatTable(head, rows)];
  if (optimum) {
    lines.push(`metric by the laws: ${predictedChange(scale)} against the base run`);
    lines.push(`optimality conditions hold to ${optimum.kktResidual.toExponential(1)}`);
  }
  if (descent) lines.push(`those of the descent to ${descent.kktResidual.toExponential(1)}`);
  return lines.join('\n');
}

/** The weights at each scale and at the target. */
export function formatPrediction(analysis: MixtureAnalysis): string {
  const { domains, scales, searched, prediction, baselines, warnings } = analysis;
  const { weights, quantities, epochs, growth, residual, t, target } = prediction!;
  const compared = Object.entries(baselines);
  const rows = domains.map((domain, d) => [
    domain,
    ...compared.map(([, each]) => percent(each[d])),
    ...scales.map((scale) => percent(scale.weights[d], 2)),
    percent(weights[d], 2),
    ...searched.map((scale) => percent(scale.weights[d], 2)),
    amount(quantities[d], 6),
    growth[d].toFixed(3),
    ...(epochs ? [epochs[d].toFixed(2)] : []),
  ]);
  const head = [
    'domain',
    ...compared.map(([name]) => name),
    ...scales.map((scale) => amount(scale.total)),
    searched.length > 0 ? `${amount(target)}, predicted` : amount(target),
    ...searched.map((scale) => `${amount(scale.total)}, searched`),
    'amount',
    'growth a step',
    ...(epochs ? ['epochs'] : []),
  ];
  const beyond = t - (scales.length - 1);
  const where =
    beyond > 0 ? `${beyond.toFixed(2)} steps beyond the largest scale` : `at step ${t.toFixed(2)} of the scales`;
  const fitted = scales.length > 2 ? `; the curve misses the scales by ${percent(residual, 2)} (root mean square)` : '';
  const errors = predictionErrors(analysis).map((error) => `${error}.`);
  return [formatTable(head, rows), `The target is ${where}${fitted}.`, ...errors, ...noted(warnings)].join('\n');
}

const noted = (warnings: string[]): string[] => warnings.map((warning) => `warning: ${warning}`);
