import type { MecoData } from '../../report/meco-data.ts';
import { renderMeco } from '../../report/meco.ts';
import type { RecipeMethod } from '../method.ts';
import { estimateMeco } from './estimate.ts';
import { mecoSchema, type MecoRecipe } from './schema.ts';
import { mecoStages } from './stages.ts';
import { summarizeMeco } from './summary.ts';

/** Metadata conditioning with a cooldown (Gao et al. 2025) against training without metadata, at equal tokens. */
export const MECO: RecipeMethod<MecoRecipe, MecoData> = {
  schema: mecoSchema,
  estimate: estimateMeco,
  stages: mecoStages,
  summarize: summarizeMeco,
  render: renderMeco,
};
