import type { TokenSource } from '../../data/token-source.ts';
import { spearman, summarize } from '../../evaluate/statistics.ts';
import type { SequenceRater } from '../../model/sequence-rater.ts';
import { scoreRows } from '../../score/rater-scores.ts';

/** Rows that are rated again and again, to see whether the rater still changes its mind. */
export interface ProbeData {
  samples: TokenSource & { domain?(row: number): string };
  rows: Uint32Array;
}

/** Scores of the probe rows after some meta-steps. */
export interface ProbeReading {
  step: number;
  scores: number[];
}

export interface ProbeReport {
  /** Mean and standard deviation of the scores of each domain; null where a domain has one row. */
  domains: Record<string, { mean: number; standardDeviation: number | null }>;
  /** Spearman's correlation with the scores 100 meta-steps before; null until then, or where all scores are one. */
  stability: number | null;
}

/** Meta-steps between the scores that are compared. */
export const PROBE_LAG = 100;

/** Rates the probe rows; compares them with what the readings say of 100 meta-steps before. */
export async function takeReading(
  rater: SequenceRater,
  { samples, rows }: ProbeData,
  readings: readonly ProbeReading[],
  options: { step: number; batchSize: number; signal?: AbortSignal },
): Promise<{ reading: ProbeReading; report: ProbeReport }> {
  const { step, batchSize, signal } = options;
  const scores = Array.from(await scoreRows(rater, samples, rows, { batchSize, signal }));
  const before = readings.find((reading) => reading.step === step - PROBE_LAG);
  const correlation = before ? spearman(scores, before.scores) : NaN;
  return {
    reading: { step, scores },
    report: {
      domains: byDomain(scores, (i) => samples.domain?.(rows[i]) ?? 'all'),
      stability: Number.isFinite(correlation) ? correlation : null,
    },
  };
}

function byDomain(scores: number[], domainOf: (place: number) => string): ProbeReport['domains'] {
  const groups = new Map<string, number[]>();
  scores.forEach((score, i) => groups.set(domainOf(i), [...(groups.get(domainOf(i)) ?? []), score]));
  return Object.fromEntries(
    [...groups.entries()].sort().map(([name, values]) => {
      const { mean, standardDeviation } = summarize(values);
      return [name, { mean, standardDeviation: values.length > 1 ? standardDeviation : null }];
    }),
  );
}
