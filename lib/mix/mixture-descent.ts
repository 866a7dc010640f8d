import { checkFinite, checkInteger } from '../check.ts';
import { describeMixture, logMarginal, mixtureTerms, type Mixture, type MixtureProblem } from './mixture.ts';

export interface MixtureDescent extends MixtureProblem {
  /** Gradient steps (default 10,000). */
  steps?: number;
  /** Their size (default 0.1). */
  rate?: number;
}

/**
 * The optimum as the notebook of Kang et al. (2024, "AutoScale") finds it, for comparison with `optimizeMixture`: a fixed
 * number of gradient steps within the plane of the total, from equal amounts. The notebook puts a domain that falls
 * below its floor there by hand and starts again with the others; here that is done until none does.
 */
export function descendMixture(problem: MixtureDescent): Mixture {
  const terms = mixtureTerms(problem);
  const { base, floor, caps, total } = terms;
  const steps = checkInteger('steps', problem.steps ?? 10_000, 1);
  const rate = checkFinite('rate', problem.rate ?? 0.1, { above: 0 });
  // Amounts in units of the mean base amount, so that steps mean the same in every unit.
  const unit = base.reduce((sum, q) => sum + q, 0) / base.length;
  const held = new Map<number, number>();
  for (;;) {
    const free = base.map((_, d) => d).filter((d) => !held.has(d));
    const rest = total / unit - [...held].reduce((sum, [d, x]) => sum + (x * base[d]) / unit, 0);
    const amounts = base.map(() => rest / free.length);
    const multiple = (d: number) => held.get(d) ?? (amounts[d] * unit) / base[d];
    const gain = (d: number) => unit * Math.exp(logMarginal(terms, d, Math.max(multiple(d), floor[d])));
    for (let step = 0; step < steps && free.length > 1; step++) {
      const gains = free.map(gain);
      const sum = gains.reduce((s, g) => s + g, 0);
      free.forEach((d, i) => (amounts[d] += (rate * (free.length * gains[i] - sum)) / (free.length - 1)));
    }
    const outside = free.filter((d) => multiple(d) < floor[d] || multiple(d) > caps[d]);
    if (outside.length === 0 || outside.length === free.length) {
      const mean = free.reduce((sum, d) => sum + logMarginal(terms, d, multiple(d)), 0) / free.length;
      return describeMixture(
        base.map((_, d) => multiple(d)),
        terms,
        mean,
      );
    }
    for (const d of outside) held.set(d, multiple(d) < floor[d] ? floor[d] : caps[d]);
  }
}
