import { checkFinite, checkInteger, invalid } from '../check.ts';
import type { ByDomain } from './quotas.ts';

/** One training of a design that changes one domain at a time. */
export interface DdoRun {
  /** 'base', or the domain and its factor, as in 'mail-x3'. */
  name: string;
  /** The domain whose quantity differs from the base run's; null for the base run. */
  domain: string | null;
  /** Rows of that domain over those of the base run, as they are after rounding; 1 for the base run. */
  factor: number;
  /** Rows of each domain. */
  quotas: Record<string, number>;
}

/**
 * The trainings from which direct data optimization (Kang et al. 2024, AutoScale) learns how a loss answers to the
 * quantity of each domain: the base run, and for each domain and factor f a run with f times that domain's rows and the
 * others as they are. With the factors 3 and 1/3 these are 2m + 1 runs of m domains; with one factor alone, the cheaper
 * m + 1.
 * @param base rows of each domain
 * @throws GradfoldError INVALID_ARGUMENT for no rows of a domain, no factor, a factor that is not positive or changes
 *   nothing, or one given twice.
 */
export function ddoRuns(base: ByDomain, factors: readonly number[]): DdoRun[] {
  const names = Object.keys(base);
  if (factors.length === 0) throw invalid('factors', 'at least one', 'none');
  if (new Set(factors).size < factors.length) throw invalid('factors', 'each one once', factors.join(', '));
  const changed = names.flatMap((domain) =>
    factors.map((factor, i): DdoRun => {
      const rows = checkInteger(`base.${domain}`, base[domain], 1);
      const quota = Math.max(1, Math.round(rows * checkFinite(`factors[${i}]`, factor, { above: 0 })));
      if (quota === rows) {
        throw invalid(`factors[${i}]`, `one that changes the ${rows} rows of ${domain}`, factor, {
          fix: 'give the base run more rows',
        });
      }
      const name = `${domain}-x${Number((quota / rows).toPrecision(3))}`;
      return { name, domain, factor: quota / rows, quotas: { ...base, [domain]: quota } };
    }),
  );
  return [{ name: 'base', domain: null, factor: 1, quotas: { ...base } }, ...changed];
}

/** Rows that all runs of a design read together. */
export function rowsOfRuns(runs: readonly { quotas: ByDomain }[]): number {
  return runs.reduce((sum, { quotas }) => sum + rowsOf(quotas), 0);
}

/** Rows of all domains. */
export function rowsOf(quotas: ByDomain): number {
  return Object.values(quotas).reduce((sum, rows) => sum + rows, 0);
}
