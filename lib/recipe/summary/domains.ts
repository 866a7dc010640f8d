import { holm, pairedDifference, pairedTest, summarize } from '../../evaluate/statistics.ts';
import type { Difference, DomainRow } from '../../report/data.ts';
import type { Evaluation } from '../train-stages.ts';
import { MEAN_OF_DOMAINS } from '../training.ts';

/** A corrected p below this counts as a clear difference. */
export const SIGNIFICANCE = 0.05;

/** Validation losses by domain, the target first and the mean over domains last, with each plan against the first. */
export function domainRows(evaluations: Evaluation[], plans: string[], target: string | undefined): DomainRow[] {
  const of = (plan: string) => evaluations.filter((evaluation) => evaluation.plan === plan).map(({ report }) => report);
  const [first] = evaluations;
  const row = (domain: string, rows: number, lossOf: (report: Evaluation['report']) => number): DomainRow => {
    const losses = plans.map((plan) => of(plan).map(lossOf));
    const differences = differencesTo(losses[0], losses.slice(1));
    return {
      domain,
      target: domain === target,
      rows,
      plans: plans.map((plan, i) => {
        const { mean, standardDeviation } = summarize(losses[i]);
        return { plan, mean, sd: spread(standardDeviation), difference: i === 0 ? null : differences[i - 1] };
      }),
    };
  };
  const domains = Object.entries(first.report.domains)
    .sort(([a], [b]) => Number(b === target) - Number(a === target) || (a < b ? -1 : 1))
    .map(([domain, { samples }]) => row(domain, samples, (report) => report.domains[domain].loss));
  const all = row(MEAN_OF_DOMAINS, first.report.overall.samples, (report) => report.domainMean.loss);
  return [...domains, { ...all, target: false }];
}

/** Losses of each of some runs less the baseline's, by seed, with their tests. */
export function differencesTo(baseline: number[], others: number[][]): Difference[] {
  const paired = others.map((losses) => pairedDifference(losses, baseline));
  const tests = paired.map(({ differences }) => (differences.length > 1 ? pairedTest(differences) : null));
  const adjusted = holm(tests.map((test) => test?.t ?? 1));
  return paired.map(({ mean, standardDeviation, differences }, i) => ({
    mean,
    sd: spread(standardDeviation),
    perSeed: [...differences],
    test: tests[i] && { ...tests[i], adjusted: adjusted[i] },
    clear: adjusted[i] < SIGNIFICANCE,
  }));
}

/** One seed has no spread. */
export const spread = (sd: number): number => (Number.isNaN(sd) ? 0 : sd);
