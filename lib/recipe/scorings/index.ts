import type { ScoringOf, ScoringRecipe } from '../scoring-schema.ts';
import { hashOf } from '../stage.ts';
import { columnScoring } from './column.ts';
import { lqsScoring } from './lqs.ts';
import type { ScoringMethod, Scorings } from './method.ts';
import { perplexityScoring } from './perplexity.ts';

type Methods = { [Method in ScoringRecipe['method']]: ScoringMethod<ScoringOf<Method>> };

const METHODS: Methods = { lqs: lqsScoring, perplexity: perplexityScoring, column: columnScoring };

/** The method of a scoring; it takes scorings of its own kind only, which `scoringGroups` puts together. */
export function methodOf({ method }: ScoringRecipe): ScoringMethod<ScoringRecipe> {
  return METHODS[method] as unknown as ScoringMethod<ScoringRecipe>;
}

/** Scorings divided into those that one stage makes at once, in their order. */
export function scoringGroups(scorings: Scorings): Scorings[] {
  const groups = new Map<string, Scorings>();
  for (const [name, scoring] of Object.entries(scorings)) {
    const { shares } = methodOf(scoring);
    const key = hashOf([scoring.method, shares ? shares(scoring) : name]);
    groups.set(key, { ...groups.get(key), [name]: scoring });
  }
  return [...groups.values()];
}
