import { transformerShape } from '../model/architectures/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { modelLayout } from '../model/layout.ts';
import type { Recipe } from './schema.ts';

export interface StageEstimate {
  stage: string;
  tokens: number;
  /** Floating-point operations of matrix products. */
  flops: number;
}

export interface RunEstimate {
  parameters: number;
  stages: StageEstimate[];
  flops: number;
  /** Bytes of model state and activations at the fullest moment, corpus and text aside. */
  memory: number;
}

/** Products of a forward pass, of forward and backward, and of a Hessian product, in units of a forward pass. */
const FORWARD = 1;
const BACKWARD = 3;
const HESSIAN = 8;
/** Parameter vectors alive at once in an annotation: parameters, start, λ, scratch, gradient. */
const VECTORS = 5;

/** What a run will cost, from its recipe alone. */
export function estimateRun(recipe: Recipe): RunEstimate {
  const { pretrain, score, train, evaluate, samples } = recipe;
  const config = { ...recipe.model, vocab_size: recipe.tokenizer.vocabulary } as unknown as ModelConfig;
  const shape = transformerShape(config);
  const parameters = modelLayout(config, shape).length;
  const { hiddenSize: d, intermediateSize: ff, layers } = shape;
  const attentionWidth = shape.heads * shape.headDim;
  // Embeddings are look-ups, not products; the head is one, tied or not.
  const lookedUp = (shape.tiedEmbeddings ? 0 : shape.vocabSize) + shape.learnedPositions + shape.tokenTypes;
  const products = parameters - lookedUp * d;
  const forwardFlops = 2 * products + 4 * layers * attentionWidth * (samples.length / 2);

  const runs = Object.keys(recipe.plans).length * train.seeds.length;
  const curve = evaluate.curve ? Math.ceil(train.steps / evaluate.curve.every) * evaluate.curve.rowsPerDomain : 0;
  const visited = (interval: number) => Math.ceil(score.steps / interval);
  const sweepRows = score.steps * score.batch;
  const backwardRows =
    sweepRows +
    (score.steps + 1) * score.target.rows +
    score.pool.rows * visited(score.pool.interval) +
    score.proxy.rows * (visited(score.proxy.interval) + visited(score.pool.interval));
  const rows: [stage: string, rows: number, forwards: number][] = [
    ['pretrain', pretrain.steps * pretrain.batch, pretrain.steps * pretrain.batch * BACKWARD],
    ['score', sweepRows + backwardRows, sweepRows * HESSIAN + backwardRows * BACKWARD],
    [`train, ${runs} runs`, runs * train.steps * train.batch, runs * train.steps * train.batch * BACKWARD],
    ['evaluate, a domain', runs * (evaluate.rowsPerDomain + curve), runs * (evaluate.rowsPerDomain + curve) * FORWARD],
  ];
  const stages = rows.map(([stage, count, forwards]) => ({
    stage,
    tokens: count * samples.length,
    flops: forwards * samples.length * forwardFlops,
  }));
  const widest = samples.length * Math.max(pretrain.batch, score.batch, train.batch);
  const activations = widest * layers * (8 * d + 4 * attentionWidth + 4 * ff);
  return {
    parameters,
    stages,
    flops: stages.reduce((sum, { flops }) => sum + flops, 0),
    memory: 4 * (VECTORS * parameters + 2 * activations),
  };
}
