import { checkFinite, checkLength, checkList, checkObject, invalid } from '../check.ts';
import { amount } from './amount.ts';
import { checkLaw, logGain, type ScalingLaw } from './law.ts';
import { bisect } from './roots.ts';

export interface MixtureProblem {
  /** Amounts of each domain in the base run, in any unit. */
  quantities: ArrayLike<number>;
  /** How the metric answers to each domain's amount, as a multiple of its base amount. */
  laws: readonly Pick<ScalingLaw, 'a' | 'b'>[];
  /** Least multiple of its base amount that a domain gets, one for all or one each (default 0; 0.2 in Kang et al.). */
  floor?: number | ArrayLike<number>;
  /** Largest multiple of its base amount, one for all or one each (default: none). */
  caps?: number | ArrayLike<number>;
  /** Sum of the amounts, in their unit (default: that of the base run). */
  total?: number;
  /** Weight of each law in the sum (default 1), where laws were fitted to measures that count differently. */
  importance?: ArrayLike<number>;
}

export interface Mixture {
  /** Amounts of each domain, in the unit of the base amounts; they sum to the total. */
  quantities: number[];
  /** Shares of the total. */
  weights: number[];
  /** Amounts as multiples of the base amounts: the x of the laws. */
  multiples: number[];
  /** What one more unit of data is worth, the same for all domains that are at no bound. */
  multiplier: number;
  /** Σ importance (x + a)^(−b) at this mixture, and at the base amounts. */
  objective: number;
  baseObjective: number;
  atFloor: boolean[];
  atCap: boolean[];
  /** The largest violation of the optimality conditions, relative; below 1e-10. */
  kktResidual: number;
}

/** A checked problem, an entry for each domain. */
export interface MixtureTerms {
  base: number[];
  laws: readonly Pick<ScalingLaw, 'a' | 'b'>[];
  importance: number[];
  floor: number[];
  caps: number[];
  total: number;
}

/**
 * The mixture of least predicted metric: minimises Σ_d importance_d (x_d + a_d)^(−b_d) over the amounts q_d x_d of the
 * domains, which sum to the total, with floor_d <= x_d <= cap_d (Kang et al. 2024, "AutoScale", §3.2).
 *
 * The problem is convex. For a multiplier μ each domain's x_d solves importance b (x + a)^(−b − 1) = μ q and is cut to its
 * bounds; the amounts fall as μ rises, so the μ of the total is found by bisection, to the last bit.
 *
 * @throws GradfoldError for lengths that differ, values out of range, and a total that the bounds cannot reach.
 */
export function optimizeMixture(problem: MixtureProblem): Mixture {
  const terms = mixtureTerms(problem);
  const { base, laws, importance, floor, caps, total } = terms;
  const amountAt = (d: number, logMultiplier: number): number => {
    const { a, b } = laws[d];
    const free = Math.exp((Math.log((importance[d] * b) / base[d]) - logMultiplier) / (b + 1)) - a;
    return Math.min(caps[d], Math.max(floor[d], free));
  };
  // At the smallest gain that any domain can have here every one is at its largest amount, at the largest at its floor.
  const low = Math.min(...base.map((q, d) => logMarginal(terms, d, Math.min(caps[d], total / q))));
  const high = Math.max(...base.map((_, d) => logMarginal(terms, d, floor[d])));
  const excess = (logMultiplier: number) => base.reduce((sum, q, d) => sum + q * amountAt(d, logMultiplier), 0) - total;
  const logMultiplier = bisect(excess, low - 1, high + 1);
  const multiples = spreadRest(
    base.map((_, d) => amountAt(d, logMultiplier)),
    terms,
  );
  return describeMixture(multiples, terms, logMultiplier);
}

/** ln of what one more unit of a domain's data lowers the objective by, at a multiple of its base amount. */
export const logMarginal = ({ base, laws, importance }: MixtureTerms, d: number, multiple: number): number =>
  Math.log(importance[d] / base[d]) + logGain(laws[d], multiple);

/** Rounding left of the total goes to the domains that are at no bound, in proportion to their amounts. */
function spreadRest(multiples: number[], { base, floor, caps, total }: MixtureTerms): number[] {
  const free = multiples.map((x, d) => x > floor[d] && x < caps[d]);
  const sum = (only: (d: number) => boolean) => base.reduce((s, q, d) => s + (only(d) ? q * multiples[d] : 0), 0);
  const inside = sum((d) => free[d]);
  if (inside === 0) return multiples;
  const factor = (total - sum((d) => !free[d])) / inside;
  return multiples.map((x, d) => (free[d] ? Math.min(caps[d], Math.max(floor[d], x * factor)) : x));
}

/** A mixture by its multiples of the base amounts, with how far it is from optimal. */
export function describeMixture(multiples: number[], terms: MixtureTerms, logMultiplier: number): Mixture {
  const { base, laws, importance, floor, caps, total } = terms;
  const objective = (x: readonly number[]) =>
    laws.reduce((sum, { a, b }, d) => sum + importance[d] * (x[d] + a) ** -b, 0);
  const quantities = base.map((q, d) => q * multiples[d]);
  const spent = quantities.reduce((sum, n) => sum + n, 0);
  const atFloor = multiples.map((x, d) => x <= floor[d]);
  const atCap = multiples.map((x, d) => x >= caps[d]);
  const violations = laws.map((_, d) => {
    const excess = Math.expm1(logMarginal(terms, d, multiples[d]) - logMultiplier);
    if (atFloor[d] && atCap[d]) return 0;
    if (atFloor[d]) return Math.max(0, excess);
    if (atCap[d]) return Math.max(0, -excess);
    return Math.abs(excess);
  });
  return {
    quantities,
    weights: quantities.map((n) => n / spent),
    multiples,
    multiplier: Math.exp(logMultiplier),
    objective: objective(multiples),
    baseObjective: objective(base.map(() => 1)),
    atFloor,
    atCap,
    kktResidual: Math.max(Math.abs(spent / total - 1), ...violations),
  };
}

/** @throws GradfoldError naming what is out of range, or why the bounds cannot reach the total. */
export function mixtureTerms(problem: MixtureProblem): MixtureTerms {
  checkObject('problem', problem);
  const { quantities, laws, importance, floor = 0, caps } = problem;
  checkList('quantities', quantities);
  const domains = quantities.length;
  if (domains === 0) throw invalid('quantities', 'an amount for each domain', quantities);
  const base = Array.from(quantities, (q, d) => checkFinite(`quantities[${d}]`, q, { above: 0 }));
  checkLength('laws', laws, domains, 'one for each quantity');
  laws.forEach((law, d) => checkLaw(`laws[${d}]`, law));
  const terms: MixtureTerms = {
    base,
    laws,
    importance: eachOf('importance', importance ?? 1, domains).map((w, d) =>
      checkFinite(`importance[${d}]`, w, { above: 0 }),
    ),
    floor: eachOf('floor', floor, domains).map((x, d) => checkFinite(`floor[${d}]`, x, { min: 0 })),
    caps: eachOf('caps', caps ?? Infinity, domains),
    total: checkFinite('total', problem.total ?? base.reduce((sum, q) => sum + q, 0), { above: 0 }),
  };
  terms.caps.forEach((cap, d) => {
    if (!(cap >= terms.floor[d])) throw invalid(`caps[${d}]`, `a multiple >= its floor ${terms.floor[d]}`, cap);
  });
  checkReach(terms);
  return terms;
}

function eachOf(name: string, value: number | ArrayLike<number>, domains: number): number[] {
  if (typeof value === 'number') return new Array<number>(domains).fill(value);
  checkLength(name, value, domains, 'one for each quantity');
  return Array.from(value);
}

/** Rounding that a total may be beyond what the bounds add up to. */
const SLACK = 1e-12;

function checkReach({ base, floor, caps, total }: MixtureTerms): void {
  const least = base.reduce((sum, q, d) => sum + q * floor[d], 0);
  const most = base.reduce((sum, q, d) => sum + q * caps[d], 0);
  if (total < least * (1 - SLACK)) {
    throw invalid('total', `at least ${amount(least, 12)}, which the floors add up to`, total, {
      fix: 'lower the floor or raise the total',
    });
  }
  if (total > most * (1 + SLACK)) {
    throw invalid('total', `at most ${amount(most, 12)}, which the caps add up to`, total, {
      fix: 'raise the caps or lower the total',
    });
  }
}
