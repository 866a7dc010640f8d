import { readFile } from 'node:fs/promises';
import { writeTextAtomically } from '../../atomic-file.ts';
import { evaluateChoices, type Normalization } from '../../evaluate/choice.ts';
import { prefixTokens } from '../../evaluate/harness.ts';
import { concatenated } from '../../evaluate/log-likelihood.ts';
import { evaluatePerplexity, type Perplexity } from '../../evaluate/perplexity.ts';
import { PrefixedSamples } from '../../evaluate/prefix.ts';
import { generate } from '../../generate/generate.ts';
import { LanguageModel } from '../../model/language-model.ts';
import type { Facts, Stage } from '../stage.ts';
import { TRAINING_FILES } from '../training.ts';
import { MECO_FILES, rowsStage, trainingDir, trainingStage, type MecoContext } from './files.ts';
import { CONDITIONS, heldOut, type Condition, type HeldOut } from './held-out.ts';
import type { Arm, MecoRecipe } from './schema.ts';

/** What one model was found to be. */
export interface MecoEvaluation {
  arm: Arm;
  seed: number;
  conditions: Record<
    Condition,
    {
      overall: Perplexity;
      groups: Record<string, Perplexity>;
      /** Share of right answers. */
      accuracy: Record<Normalization, number>;
    }
  >;
}

/** What the models of the first seed write after the same prompt. */
export interface MecoText {
  arm: Arm;
  metadata: string | null;
  text: string;
}

/** How many of the most frequent metadata texts are written under. */
const SHOWN_METADATA = 3;
const TEXT_TOKENS = 40;
/** How texts are drawn: likely words, but not always the same. */
const SAMPLING = { temperature: 0.8, topP: 0.9 };

export function evaluationStages(recipe: MecoRecipe): Stage<MecoContext>[] {
  const trainings = recipe.arms.flatMap((arm) => recipe.train.seeds.map((seed) => ({ arm, seed })));
  const inputs = [
    'corpus',
    'tokenizer',
    rowsStage('meco'),
    ...trainings.map(({ arm, seed }) => trainingStage(arm, seed)),
  ];
  const config = { evaluate: recipe.evaluate, seed: recipe.seed, metadata: recipe.metadata };
  return [
    {
      name: 'evaluate',
      inputs,
      outputs: [MECO_FILES.evaluation, MECO_FILES.questions],
      config,
      async run(context, progress): Promise<Facts> {
        const held = await heldOut(context);
        const lines = held.questions.map((question) => `${JSON.stringify(question)}\n`);
        await writeTextAtomically(context.path(MECO_FILES.questions), lines.join(''));
        const evaluations = await finished<MecoEvaluation>(context, MECO_FILES.evaluation);
        for (const { arm, seed } of trainings.slice(evaluations.length)) {
          evaluations.push(await withModel(context, arm, seed, (model) => judge(context, model, held, arm, seed)));
          await writeTextAtomically(context.path(MECO_FILES.evaluation), `${JSON.stringify(evaluations, null, 2)}\n`);
          progress(evaluations.length, trainings.length, 'models');
        }
        return { rows: held.rows.length, questions: held.questions.length };
      },
    },
    {
      name: 'texts',
      inputs,
      outputs: [MECO_FILES.texts],
      config,
      async run(context, progress): Promise<Facts> {
        const held = await heldOut(context);
        const texts: MecoText[] = [];
        for (const [i, arm] of recipe.arms.entries()) {
          texts.push(
            ...(await withModel(context, arm, recipe.train.seeds[0], (model) => write(context, model, held, arm))),
          );
          progress(i + 1, recipe.arms.length, 'models');
        }
        await writeTextAtomically(context.path(MECO_FILES.texts), `${JSON.stringify(texts, null, 2)}\n`);
        return { texts: texts.length };
      },
    },
  ];
}

/** What an interrupted stage has left. */
async function finished<T>(context: MecoContext, file: string): Promise<T[]> {
  return JSON.parse(await readFile(context.path(file), 'utf8').catch(() => '[]')) as T[];
}

async function withModel<T>(
  context: MecoContext,
  arm: Arm,
  seed: number,
  use: (model: LanguageModel) => Promise<T>,
): Promise<T> {
  const model = await LanguageModel.fromPretrained(context.path(trainingDir(arm, seed), TRAINING_FILES.model), {
    backend: await context.backend(),
    signal: context.signal,
  });
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

/** Loss and right answers under each condition. */
async function judge(
  { recipe, signal }: MecoContext,
  model: LanguageModel,
  held: HeldOut,
  arm: Arm,
  seed: number,
): Promise<MecoEvaluation> {
  const options = { batchSize: recipe.evaluate.batch, signal };
  const found = {} as MecoEvaluation['conditions'];
  for (const condition of CONDITIONS) {
    const samples = new PrefixedSamples({ ...rowsOf(held), domain: held.groupOf }, (row) =>
      held.rowPrefix(row, condition),
    );
    const { overall, domains } = await evaluatePerplexity(model, samples, held.rows, options);
    const { accuracy } = await evaluateChoices(model, held.tokenizer, held.questions, {
      ...options,
      prefix: (question) => held.questionPrefix(question, condition),
    });
    const groups = held.groups.names.flatMap((name) => (name in domains ? [[name, domains[name]] as const] : []));
    found[condition] = { overall, groups: Object.fromEntries(groups), accuracy };
  }
  return { arm, seed, conditions: found };
}

const rowsOf = ({ samples }: HeldOut) => ({
  tokens: (row: number) => samples.tokens(row),
  row: (row: number) => samples.row(row),
});

/** Continues the prompt without metadata and under the most frequent ones. */
async function write(
  { recipe, signal }: MecoContext,
  model: LanguageModel,
  { tokenizer, groups }: HeldOut,
  arm: Arm,
): Promise<MecoText[]> {
  const { prefix, suffix } = recipe.metadata;
  const prompt = tokenizer.encode(recipe.evaluate.prompt);
  const texts: MecoText[] = [];
  for (const metadata of [null, ...groups.frequent.slice(0, SHOWN_METADATA)]) {
    const text = metadata === null ? null : `${prefix}${metadata}${suffix}`;
    const before = prefixTokens(tokenizer, text, tokenizer.beginOfTextId);
    const [{ tokens }] = await generate(model, [concatenated(before, prompt)], {
      ...SAMPLING,
      maxTokens: TEXT_TOKENS,
      endId: tokenizer.endOfTextId,
      seed: recipe.seed,
      signal,
    });
    texts.push({ arm, metadata, text: `${recipe.evaluate.prompt}${tokenizer.decode(tokens)}` });
  }
  return texts;
}
