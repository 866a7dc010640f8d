import { BACKWARD, FORWARD, forwardFlops } from '../../evaluate/compute.ts';
import { ddoRuns, rowsOfRuns } from '../../mix/ddo.ts';
import { transformerShape } from '../../model/architectures/index.ts';
import type { ModelConfig } from '../../model/config.ts';
import { modelLayout } from '../../model/layout.ts';
import type { RunEstimate, StageEstimate } from '../estimate.ts';
import { MIXTURES } from './mixtures.ts';
import type { AutoscaleRecipe } from './schema.ts';
import { baseQuotas, searchedScales, searchFactors } from './settings.ts';

/** The runs of a search at one scale, seeds not counted. */
export function searchRuns(recipe: AutoscaleRecipe, rows: number) {
  return ddoRuns(baseQuotas(recipe, rows), searchFactors(recipe.search));
}

/** The random small runs of the regression: where nothing else is asked for, they read what the search at small scales reads. */
export function regressionSize(recipe: AutoscaleRecipe): { rows: number; runs: number } {
  const { scales, search, compare, domains } = recipe;
  const { rows = scales.small[0], runs } = compare.regression;
  const paid =
    scales.small.reduce((sum, scale) => sum + rowsOfRuns(searchRuns(recipe, scale)), 0) * search.seeds.length;
  // A plane needs a run a domain, and one more to tell how well it fits.
  return { rows, runs: runs ?? Math.max(domains.length + 1, Math.round(paid / rows)) };
}

/** What a recipe will cost, from itself alone. */
export function estimateAutoscale(recipe: AutoscaleRecipe): RunEstimate {
  const config = { ...recipe.model, vocab_size: recipe.tokenizer.vocabulary } as unknown as ModelConfig;
  const shape = transformerShape(config);
  const parameters = modelLayout(config, shape).length;
  const rowFlops = forwardFlops(config, recipe.samples.length);
  const { search, measure, compare, domains, scales, train } = recipe;
  const stage = (name: string, runs: number, rows: number, judged: number): StageEstimate & { runs: number } => ({
    stage: `${name}, ${runs} runs`,
    runs,
    tokens: (rows + runs * judged * domains.length) * recipe.samples.length,
    flops: (BACKWARD * rows + FORWARD * runs * judged * domains.length) * rowFlops,
  });
  const random = regressionSize(recipe);
  const mixtures = Object.keys(MIXTURES).length - Number(!scales.searchTarget);
  const compared = mixtures * compare.seeds.length;
  const stages = [
    ...searchedScales(scales).map((rows) => {
      const runs = searchRuns(recipe, rows);
      const { length } = search.seeds;
      return stage(`search at ${rows} rows`, length * runs.length, length * rowsOfRuns(runs), measure.rowsPerDomain);
    }),
    stage('random mixtures', random.runs, random.runs * random.rows, measure.rowsPerDomain),
    stage('compare', compared, compared * scales.target, compare.rowsPerDomain),
  ];
  const width = shape.heads * shape.headDim;
  const activations =
    recipe.samples.length *
    train.batch *
    shape.layers *
    (8 * shape.hiddenSize + 4 * width + 4 * shape.intermediateSize);
  return {
    parameters,
    plans: Object.keys(MIXTURES).filter((name) => scales.searchTarget || name !== 'target optimum'),
    trainings: stages.reduce((sum, { runs }) => sum + runs, 0),
    stages,
    flops: stages.reduce((sum, { flops }) => sum + flops, 0),
    memory: recipe.processes * 4 * (4 * parameters + 2 * activations),
  };
}
