import { invalid } from '../check.ts';
import type { Samples, Split } from '../data/samples.ts';
import type { Plan } from '../order/plan.ts';
import { randomPermutation, streamOf } from '../random.ts';
import { interleave } from './interleave.ts';
import type { ByDomain } from './quotas.ts';

/** The rows that a mixture may draw of each domain. */
export type DomainPools = Readonly<Record<string, Uint32Array>>;

/** How far a mixture uses a domain. */
export interface DomainUse {
  domain: string;
  /** Rows that there are. */
  available: number;
  /** Rows drawn, repetitions counted. */
  rows: number;
  /** rows / available: above 1, rows are read more than once. */
  epochs: number;
}

export interface MixturePlan {
  plan: Plan;
  /** By name. */
  domains: DomainUse[];
}

/** The rows of a split by domain, in order of name. */
export function domainPools(samples: Samples, split: Split = 'train'): Record<string, Uint32Array> {
  const rows = new Map<string, number[]>();
  for (const row of samples.rows(split)) {
    const domain = samples.domain(row);
    const known = rows.get(domain);
    if (known) known.push(row);
    else rows.set(domain, [row]);
  }
  return Object.fromEntries(
    [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([domain, members]) => [domain, Uint32Array.from(members)]),
  );
}

/**
 * A plan that draws `quotas[d]` rows of each domain d, interleaved as `interleave` says. A domain's rows come in an order
 * that the seed, its name and its pass decide, each once before any comes again; the layer of a row of the plan is the
 * number of the pass (0 the first). So the rows of a larger quota begin with those of a smaller one, and the rows of the
 * other domains stay what they were, in the same relative order.
 * @throws GradfoldError INVALID_ARGUMENT for a domain without rows, or quotas that are wrong.
 */
export function mixturePlan(pools: DomainPools, quotas: ByDomain, { seed }: { seed: number }): MixturePlan {
  const names = Object.keys(quotas);
  const domains = interleave(quotas);
  const tapes = names.map((name) => {
    const pool = Object.hasOwn(pools, name) ? pools[name] : new Uint32Array();
    if (pool.length === 0 && quotas[name] > 0) {
      throw invalid(`quotas.${name}`, 'a domain with rows to draw', `${quotas[name]} of a domain that has none`, {
        fix: `domains with rows: ${Object.keys(pools).join(', ') || 'none'}`,
      });
    }
    return new DomainTape(name, pool, seed);
  });
  const rows = new Uint32Array(domains.length);
  const layers = new Uint32Array(domains.length);
  domains.forEach((domain, place) => {
    const tape = tapes[domain];
    layers[place] = tape.pass();
    rows[place] = tape.next();
  });
  return {
    plan: { rows, layers, weights: new Float32Array(rows.length).fill(1) },
    domains: domainUse(pools, quotas),
  };
}

/** What quotas take of each domain, in order of name. */
export function domainUse(pools: DomainPools, quotas: ByDomain): DomainUse[] {
  return Object.keys(quotas)
    .sort()
    .map((domain) => {
      const available = pools[domain]?.length ?? 0;
      return { domain, available, rows: quotas[domain], epochs: available === 0 ? 0 : quotas[domain] / available };
    });
}

/** A domain's rows without end, each pass in an order of its own. */
class DomainTape {
  readonly #name: string;
  readonly #pool: Uint32Array;
  readonly #seed: number;
  #order: Uint32Array = new Uint32Array();
  #drawn = 0;

  constructor(name: string, pool: Uint32Array, seed: number) {
    this.#name = name;
    this.#pool = pool;
    this.#seed = seed;
  }

  /** Passes that are complete. */
  pass(): number {
    return Math.floor(this.#drawn / this.#pool.length);
  }

  next(): number {
    const place = this.#drawn % this.#pool.length;
    if (place === 0) {
      this.#order = randomPermutation(this.#pool.length, this.#seed, streamOf(`mix/${this.#name}/${this.pass()}`));
    }
    this.#drawn++;
    return this.#pool[this.#order[place]];
  }
}
