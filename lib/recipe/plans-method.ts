import type { ReportData } from '../report/data.ts';
import { renderReport } from '../report/page.ts';
import type { RunContext, RunStage } from './context.ts';
import { dataStages } from './data-stages.ts';
import { estimateRun } from './estimate.ts';
import { explainStages } from './explain-stages.ts';
import type { RecipeMethod } from './method.ts';
import { recipeSchema, type Recipe } from './schema.ts';
import { scoreStages } from './score-stages.ts';
import { summarizeRun } from './summary/index.ts';
import { trainStages } from './train-stages.ts';

/** Training orders over one pool, compared: scorings, selections, folds (DELT and what it is measured against). */
export const PLANS: RecipeMethod<Recipe, ReportData> = {
  schema: recipeSchema,
  estimate: estimateRun,
  async stages(context: RunContext): Promise<RunStage[]> {
    return [
      ...(await dataStages(context)),
      ...(await scoreStages(context)),
      ...explainStages(context.recipe),
      ...trainStages(context),
    ];
  },
  summarize: summarizeRun,
  render: renderReport,
};
