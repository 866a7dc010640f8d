import { BACKWARD, FORWARD, forwardFlops } from '../../evaluate/compute.ts';
import type { ModelConfig } from '../../model/config.ts';
import { transformerShape } from '../../model/architectures/index.ts';
import { modelLayout } from '../../model/layout.ts';
import { trainingMemory, type RunEstimate } from '../estimate.ts';
import { CONDITIONS } from './held-out.ts';
import type { MecoRecipe } from './schema.ts';

/** What a run will cost, from its recipe alone. */
export function estimateMeco(recipe: MecoRecipe): RunEstimate {
  const { arms, train, evaluate, rows } = recipe;
  const config = { ...recipe.model, vocab_size: recipe.tokenizer.vocabulary } as unknown as ModelConfig;
  const rowFlops = forwardFlops(config, rows.length);
  const trainings = arms.length * train.seeds.length;
  const { count, choices, passageWords, continuationWords } = evaluate.questions;
  // A word is about two tokens of a small vocabulary.
  const questionTokens = count * choices * 2 * (passageWords + continuationWords);
  const judged = trainings * CONDITIONS.length;
  const stage = (name: string, tokens: number, passes: number) => ({
    stage: name,
    tokens,
    flops: (tokens / rows.length) * passes * rowFlops,
  });
  const stages = [
    stage(`train, ${trainings} runs`, trainings * train.steps * train.batch * rows.length, BACKWARD),
    stage('evaluate, loss', judged * evaluate.rows * rows.length, FORWARD),
    stage('evaluate, multiple choice', judged * questionTokens, FORWARD),
  ];
  const shape = transformerShape(config);
  const parameters = modelLayout(config, shape).length;
  return {
    parameters,
    plans: [...arms],
    trainings,
    stages,
    flops: stages.reduce((sum, { flops }) => sum + flops, 0),
    memory: trainingMemory(shape, parameters, rows.length * Math.max(train.batch, evaluate.batch)),
  };
}
