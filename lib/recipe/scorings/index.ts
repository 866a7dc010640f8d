import type { ScoringOf, ScoringRecipe } from '../scoring-schema.ts';
import { hashOf } from '../stage.ts';
import { columnScoring } from './column.ts';
import { combineScoring } from './combine.ts';
import { dataRaterScoring } from './datarater.ts';
import { gradientScoring } from './gradient.ts';
import { inRunScoring } from './in-run.ts';
import { lqsScoring } from './lqs.ts';
import type { ScoringMethod, Scorings } from './method.ts';
import { ngramScoring } from './ngram.ts';
import { perplexityScoring } from './perplexity.ts';
import { textScoring } from './text.ts';

type Methods = { [Method in ScoringRecipe['method']]: ScoringMethod<ScoringOf<Method>> };

const METHODS: Methods = {
  lqs: lqsScoring,
  gradient: gradientScoring,
  in_run: inRunScoring,
  perplexity: perplexityScoring,
  ngram: ngramScoring,
  datarater: dataRaterScoring,
  text: textScoring,
  column: columnScoring,
  combine: combineScoring,
};

/** The method of a scoring; it takes scorings of its own kind only, which `scoringGroups` puts together. */
export function methodOf({ method }: ScoringRecipe): ScoringMethod<ScoringRecipe> {
  return METHODS[method] as unknown as ScoringMethod<ScoringRecipe>;
}

/** The scorings that a scoring is made from. */
export const sourcesOf = (scoring: ScoringRecipe): string[] => methodOf(scoring).reads?.(scoring) ?? [];

/** Scorings divided into those that one stage makes at once, in their order; those made from others come last. */
export function scoringGroups(scorings: Scorings): Scorings[] {
  const groups = new Map<string, Scorings>();
  for (const [name, scoring] of Object.entries(scorings)) {
    const { shares } = methodOf(scoring);
    const key = hashOf([scoring.method, shares ? shares(scoring) : name]);
    groups.set(key, { ...groups.get(key), [name]: scoring });
  }
  const derived = (group: Scorings) => Object.values(group).some((scoring) => sourcesOf(scoring).length > 0);
  const all = [...groups.values()];
  return [...all.filter((group) => !derived(group)), ...all.filter(derived)];
}
