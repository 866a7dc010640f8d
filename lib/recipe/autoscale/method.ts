import type { AutoscaleData } from '../../report/autoscale-data.ts';
import { renderAutoscale } from '../../report/autoscale.ts';
import type { RecipeMethod } from '../method.ts';
import { estimateAutoscale } from './estimate.ts';
import { autoscaleSchema, type AutoscaleRecipe } from './schema.ts';
import { autoscaleStages } from './stages.ts';
import { summarizeAutoscale } from './summary.ts';

/** Domain weights by scale: found at small scales, predicted at the target, and compared there (AutoScale). */
export const AUTOSCALE: RecipeMethod<AutoscaleRecipe, AutoscaleData> = {
  schema: autoscaleSchema,
  estimate: estimateAutoscale,
  stages: autoscaleStages,
  summarize: summarizeAutoscale,
  render: renderAutoscale,
};
