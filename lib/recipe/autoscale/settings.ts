import { loadTokenizer } from '../../data/tokenizer.ts';
import { domainQuotas } from '../../mix/quotas.ts';
import type { ModelConfig } from '../../model/config.ts';
import { FILES, type RunContext } from '../context.ts';
import type { AutoscaleRecipe } from './schema.ts';
import type { JobSettings } from './training-job.ts';

export type AutoscaleContext = RunContext<AutoscaleRecipe>;

/** Rows that a search measures on, which the final comparison does not see, and those of the comparison. */
export const MEASURED_SPLIT = { search: 'target', compare: 'validation' } as const;

/** What all trainings of a recipe have in common; `purpose` decides which rows judge them. */
export async function jobSettings(
  context: AutoscaleContext,
  purpose: keyof typeof MEASURED_SPLIT,
): Promise<JobSettings> {
  const { recipe } = context;
  const { measure, compare, domains } = recipe;
  const { maskId, specialIds, vocabularySize } = await loadTokenizer(context.path(FILES.tokenizer));
  return {
    samples: context.path(FILES.samples),
    model: { ...recipe.model, vocab_size: vocabularySize } as unknown as ModelConfig,
    optimization: recipe.train,
    // The tokenizer of such a recipe was given a mask.
    ...(predictsMasked(recipe) && {
      masks: { maskId: maskId!, specialIds: [...specialIds], vocabularySize, share: recipe.maskShare },
    }),
    measure: {
      split: MEASURED_SPLIT[purpose],
      domains,
      rowsPerDomain: purpose === 'search' ? measure.rowsPerDomain : compare.rowsPerDomain,
      batch: measure.batch,
      seed: recipe.seed,
    },
    checkpointEvery: recipe.checkpointEvery,
    backend: recipe.backend,
    keepModels: purpose === 'compare',
  };
}

export const predictsMasked = ({ model }: Pick<AutoscaleRecipe, 'model'>): boolean => model.model_type === 'bert';

/** Rows of each domain in a base run of `rows` rows. */
export function baseQuotas({ domains, search }: Pick<AutoscaleRecipe, 'domains' | 'search'>, rows: number) {
  return domainQuotas(search.base ?? Object.fromEntries(domains.map((domain) => [domain, 1])), rows);
}

/** Factors by which a search changes each domain. */
export function searchFactors({ up, down }: AutoscaleRecipe['search']): number[] {
  return [...(up === null ? [] : [up]), ...(down === null ? [] : [1 / down])];
}

/** Scales that are searched: the small ones, and the target where asked for. */
export function searchedScales({ small, target, searchTarget }: AutoscaleRecipe['scales']): number[] {
  return searchTarget ? [...small, target] : small;
}
