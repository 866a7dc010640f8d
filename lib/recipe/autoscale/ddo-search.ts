import { checkFinite, invalid } from '../../check.ts';
import { ddoRuns, rowsOf } from '../../mix/ddo.ts';
import type { ByDomain } from '../../mix/quotas.ts';
import type { MixRun } from '../../mix/results.ts';
import { runJobs, type PoolOptions } from './job-pool.ts';
import type { JobRecord, TrainingJob } from './training-job.ts';

export interface DdoSearchOptions extends PoolOptions {
  /** Rows of each domain in the base run. */
  base: ByDomain;
  /** Factors by which each domain is changed; default 3 and 1/3. */
  factors?: readonly number[];
  /** Every run is repeated with each seed; a seed's runs share initial parameters, order and masks. */
  seeds: readonly number[];
  /** Of the domains in the average loss; default: all the same. */
  weights?: ByDomain;
}

/** A search's trainings: what was measured, and how. */
export interface DdoSearch {
  runs: MixRun[];
  records: JobRecord[];
}

/**
 * Direct data optimization's trainings at one scale (Kang et al. 2024, AutoScale): the base run and one for each domain
 * and factor, all from the same initial parameters, in the same order but for the rows that a changed domain gains or
 * loses, judged on the same rows. A call that was killed goes on, run by run and within a run.
 * @returns one measurement a run and seed: what `analyzeMixture` takes
 * @throws GradfoldError as `ddoRuns` and `train`
 */
export async function searchDdo(options: DdoSearchOptions): Promise<DdoSearch> {
  const { base, factors = [3, 1 / 3], seeds, weights } = options;
  if (seeds.length === 0) throw invalid('seeds', 'at least one', 'none');
  const runs = ddoRuns(base, factors);
  const planned = seeds.flatMap((seed) => runs.map((run) => ({ run, seed })));
  const jobs = planned.map(({ run, seed }): TrainingJob => ({
    name: folderOf(run.name, seed),
    quotas: run.quotas,
    seed,
  }));
  const records = await runJobs(jobs, options);
  const scale = rowsOf(base);
  return {
    records,
    runs: planned.map(({ run: { domain, factor, quotas }, seed }, i) => {
      const metrics = records[i].losses;
      const quantity = domain === null ? null : quotas[domain];
      return { domain, factor, quantity, scale, seed, sigma: null, average: averageLoss(metrics, weights), metrics };
    }),
  };
}

/** The folder of a run: any name of a domain makes one. */
export const folderOf = (name: string, seed: number): string => `${encodeURIComponent(name)}-seed${seed}`;

/**
 * Σ_d v_d ℓ_d / Σ_d v_d of losses by domain.
 * @throws GradfoldError INVALID_ARGUMENT for a weighted domain that was not measured.
 */
export function averageLoss(losses: ByDomain, weights?: ByDomain): number {
  const entries = Object.entries(weights ?? Object.fromEntries(Object.keys(losses).map((domain) => [domain, 1])));
  let [sum, total] = [0, 0];
  for (const [domain, weight] of entries) {
    sum += weight * checkFinite(`loss of ${domain}`, losses[domain]);
    total += weight;
  }
  return sum / total;
}
