import type { TransformerShape } from '../model/shape.ts';
import { plansOf } from './grid.ts';
import type { Recipe } from './schema.ts';
import { stagesOfScorings } from './score-stages.ts';
import { methodOf } from './scorings/index.ts';
import { forwardFlops, FORWARD, modelSize, trainingWork, workOf, type Work } from './work.ts';

export interface StageEstimate {
  stage: string;
  tokens: number;
  /** Floating-point operations of matrix products. */
  flops: number;
}

export interface RunEstimate {
  parameters: number;
  /** Names of the plans that are trained, the baseline first. */
  plans: string[];
  trainings: number;
  stages: StageEstimate[];
  flops: number;
  /** Bytes of model state and activations at the fullest moment, corpus and text aside. */
  memory: number;
}

/** Parameter vectors alive at once in a training: parameters, gradient, AdamW’s two moments; an annotation has fewer. */
const VECTORS = 4;

/** What a run will cost, from its recipe alone. */
export function estimateRun(recipe: Recipe): RunEstimate {
  const { pretrain, scores, train, evaluate, samples } = recipe;
  const { vocabulary } = recipe.tokenizer;
  const { shape, parameters } = modelSize(recipe, vocabulary);
  const rowFlops = forwardFlops(recipe, vocabulary);

  const plans = Object.keys(plansOf(recipe));
  const trainings = plans.length * train.seeds.length;
  const curve = evaluate.curve ? Math.ceil(train.steps / evaluate.curve.every) * evaluate.curve.rowsPerDomain : 0;
  const each = trainingWork(train);
  const work: [stage: string, work: Work][] = [
    ...(pretrain ? [['pretrain', trainingWork(pretrain)] satisfies [string, Work]] : []),
    ...Object.entries(stagesOfScorings(scores)).map(([stage, scorings]): [string, Work] => {
      const group = Object.values(scorings);
      return [stage, methodOf(group[0]).work(recipe, group)];
    }),
    [`train, ${trainings} runs`, { rows: trainings * each.rows, forwards: trainings * each.forwards }],
    ['evaluate, a domain', workOf(trainings * (evaluate.rowsPerDomain + curve), FORWARD)],
  ];
  const stages = work.map(([stage, { rows, forwards }]) => ({
    stage,
    tokens: rows * samples.length,
    flops: forwards * rowFlops,
  }));
  const batches = Object.values(scores).map((scoring) => ('batch' in scoring ? scoring.batch : 0));
  const widest = samples.length * Math.max(pretrain?.batch ?? 0, train.batch, ...batches);
  return {
    parameters,
    plans,
    trainings,
    stages,
    flops: stages.reduce((sum, { flops }) => sum + flops, 0),
    memory: trainingMemory(shape, parameters, widest),
  };
}

/** Bytes of model state and activations of a training step on so many tokens, about. */
export function trainingMemory(shape: TransformerShape, parameters: number, tokens: number): number {
  const { hiddenSize: d, intermediateSize: ff, layers, heads, headDim } = shape;
  const activations = tokens * layers * (8 * d + 4 * heads * headDim + 4 * ff);
  return 4 * (VECTORS * parameters + 2 * activations);
}
