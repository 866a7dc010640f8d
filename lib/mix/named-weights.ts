import { readJsonObject } from '../files.ts';
import { checkFinite, checkObject, invalid } from '../check.ts';
import { proportionalWeights, uniformWeights } from './baselines.ts';
import type { ByDomain } from './quotas.ts';
import type { DomainPools } from './sampler.ts';

/** Mixtures that need nothing but the domains. */
export const NAMED_WEIGHTS = {
  uniform: (sizes: number[]) => uniformWeights(sizes.length),
  proportional: proportionalWeights,
} satisfies Record<string, (sizes: number[]) => number[]>;

const isNamed = (text: string): text is keyof typeof NAMED_WEIGHTS => Object.hasOwn(NAMED_WEIGHTS, text);

/**
 * Weights of domains as they are written: 'uniform' or 'proportional' over all domains of the pools, a list as in
 * "mail=1,novel=2", or the path of a JSON file, either an object of weights or one that has them under `weights`, beside
 * their `domains` where they are a list.
 * @throws GradfoldError INVALID_ARGUMENT, NOT_FOUND, INVALID_FILE
 */
export async function parseWeights(text: string, pools: DomainPools): Promise<ByDomain> {
  const domains = Object.keys(pools);
  if (isNamed(text)) {
    return zip(domains, NAMED_WEIGHTS[text](domains.map((domain) => pools[domain].length)));
  }
  if (text.endsWith('.json')) return weightsIn(text, await readJsonObject(text));
  const entries = text.split(',').map((part) => {
    const at = part.lastIndexOf('=');
    const weight = Number(part.slice(at + 1));
    if (at < 1 || part.slice(at + 1).trim() === '' || !Number.isFinite(weight)) {
      const known = [...Object.keys(NAMED_WEIGHTS), 'a path of .json', `${domains[0] ?? 'domain'}=0.5,…`];
      throw invalid('weights', `one of ${known.join(', ')}`, text);
    }
    return [part.slice(0, at).trim(), weight] as const;
  });
  return Object.fromEntries(entries);
}

function weightsIn(path: string, content: Record<string, unknown>): ByDomain {
  const given = content.weights ?? content;
  if (Array.isArray(given)) {
    const { domains } = content;
    if (!Array.isArray(domains) || domains.length !== given.length) {
      throw invalid(`${path}: domains`, `${given.length} names, one a weight`, domains, { code: 'INVALID_FILE' });
    }
    return weightsIn(path, zip(domains.map(String), given));
  }
  checkObject(`${path}: weights`, given);
  return Object.fromEntries(
    Object.entries(given).map(([domain, weight]) => [domain, checkFinite(`${path}: weights.${domain}`, weight)]),
  );
}

const zip = <T>(names: readonly string[], values: readonly T[]): Record<string, T> =>
  Object.fromEntries(names.map((name, i) => [name, values[i]]));
