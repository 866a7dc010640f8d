import { quantileSorted } from 'simple-statistics';
import { checkFinite } from '../check.ts';
import type { Samples } from '../data/samples.ts';
import { summarize } from '../evaluate/statistics.ts';
import type { Histogram } from '../report/data.ts';
import { selectPlaces } from '../select/selection.ts';
import type { ScoreTable } from './table.ts';

const BINS = 40;

/** Distribution of scores by domain, over the range that holds all but the outer 1 % on each side. */
export function domainHistograms(samples: Pick<Samples, 'domain'>, table: ScoreTable): Histogram[] {
  const sorted = Array.from(table.scores.slice().sort());
  const [low, high] = [0.01, 0.99].map((p) => quantileSorted(sorted, p));
  const width = (high - low) / BINS || 1;
  return scoresByDomain(samples, table).map(({ domain, scores }) => {
    const counts = new Array<number>(BINS).fill(0);
    for (const score of scores) {
      // The highest score that is shown belongs to the last bin.
      const bin = score === high ? BINS - 1 : Math.floor((score - low) / width);
      if (bin >= 0 && bin < BINS) counts[bin]++;
    }
    return { domain, low, width, shares: counts.map((count) => count / scores.length) };
  });
}

/** Scores of one domain's rows. */
export interface DomainScores {
  domain: string;
  rows: number;
  mean: number;
  /** Null for a single row. */
  standardDeviation: number | null;
  quartiles: [lower: number, median: number, upper: number];
}

/** The scores of every domain's rows in numbers, by name. */
export function domainScores(samples: Pick<Samples, 'domain'>, table: ScoreTable): DomainScores[] {
  return scoresByDomain(samples, table).map(({ domain, scores }) => {
    const { mean, standardDeviation, count } = summarize(scores);
    const sorted = Array.from(scores.slice().sort());
    const [lower, median, upper] = [0.25, 0.5, 0.75].map((p) => quantileSorted(sorted, p));
    return {
      domain,
      rows: count,
      mean,
      standardDeviation: count > 1 ? standardDeviation : null,
      quartiles: [lower, median, upper],
    };
  });
}

function scoresByDomain(samples: Pick<Samples, 'domain'>, table: ScoreTable) {
  const lists = new Map<string, number[]>();
  table.rows.forEach((row, place) => {
    const domain = samples.domain(row);
    if (!lists.has(domain)) lists.set(domain, []);
    lists.get(domain)!.push(table.scores[place]);
  });
  return [...lists]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([domain, scores]) => ({ domain, scores: Float64Array.from(scores) }));
}

/** The share of rows to drop that filters are compared at (Calian et al. 2025). */
export const DROPPED_SHARES: readonly number[] = [0.1, 0.25, 0.5, 0.75, 0.9];

/** How many of n rows stay when a share ρ of them is dropped; at least one. */
export function rowsKept(n: number, rho: number): number {
  checkFinite('rho', rho, { min: 0 });
  return Math.max(1, Math.round(n * (1 - checkFinite('rho', rho, { max: 1 }))));
}

/** What stays of each domain when the lowest-scored share ρ of all rows is dropped. */
export interface KeptShare {
  rho: number;
  rows: number;
  /** Kept rows of a domain as a share of its rows, by name. */
  domains: Record<string, number>;
}

/** What stays of each domain at some ρ, by the selection that keeps the highest scores. */
export function keptByDomain(
  samples: Pick<Samples, 'domain'>,
  table: ScoreTable,
  rhos: readonly number[] = DROPPED_SHARES,
): KeptShare[] {
  const domains = Array.from(table.rows, (row) => samples.domain(row));
  return rhos.map((rho) => {
    const topK = rowsKept(table.rows.length, rho);
    const { record } = selectPlaces(table.scores, { topK }, { domains });
    const shares = Object.entries(record.domains!).map(([domain, { kept, of }]) => [domain, kept / of] as const);
    return { rho, rows: record.kept, domains: Object.fromEntries(shares.sort(([a], [b]) => (a < b ? -1 : 1))) };
  });
}
