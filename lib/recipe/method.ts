import type { z } from 'zod';
import type { backend } from './common-schema.ts';
import type { RunContext } from './context.ts';
import type { RunEstimate } from './estimate.ts';
import type { Stage, Stamp } from './stage.ts';

/** What a recipe of every method says. */
export interface BaseRecipe {
  method: string;
  /** Of the run's folder. */
  name: string;
  seed: number;
  backend: z.output<typeof backend>;
}

/** What the data of every page say; plain JSON. */
export interface BaseData {
  /** Of the recipe; absent in runs made before there was more than one method. */
  method?: string;
  headline: string;
  remarks: string[];
}

/** What a summary takes over as it is. */
export interface RunFacts {
  environment: { name: string; value: string }[];
  /** What makes the run again. */
  command: string;
}

/** One value of a recipe's `method` key: what the recipe may say, the stages it runs, and the page it ends in. */
export interface RecipeMethod<R extends BaseRecipe = BaseRecipe, Data extends BaseData = BaseData> {
  /** Of the whole recipe; unknown keys are errors. */
  schema: z.ZodType<R>;
  estimate(recipe: R): RunEstimate;
  /** In order. */
  stages(context: RunContext<R>): Promise<Stage<RunContext<R>>[]>;
  /** What the page and the terminal show, from the files of the finished stages. */
  summarize(context: RunContext<R>, stamps: Record<string, Stamp>, facts: RunFacts): Promise<Data>;
  /** The page: one HTML document. */
  render(data: Data): Promise<string>;
}
