import { rm } from 'node:fs/promises';
import { openSamples } from '../../data/samples.ts';
import { loadTokenizer } from '../../data/tokenizer.ts';
import { conditionInto } from '../../condition/condition-into.ts';
import type { ModelConfig } from '../../model/config.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { planOf } from '../../order/plan.ts';
import { randomUint32, streamOf } from '../../random.ts';
import { mixedThroughout, withCooldown, type PlannedRows, type StagedRun } from '../../train/cooldown.ts';
import { FILES } from '../context.ts';
import { corpusStage, tokenizerStage } from '../data-stages.ts';
import type { Stage } from '../stage.ts';
import { trainInto, TRAINING_FILES } from '../training.ts';
import { evaluationStages } from './evaluation-stages.ts';
import {
  ROWS_OF,
  rowsDir,
  rowsStage,
  sharesOf,
  trainingDir,
  trainingStage,
  type MecoContext,
  type Rows,
} from './files.ts';
import type { Arm, MecoRecipe } from './schema.ts';

const CHECKPOINT_EVERY = 50;

/** Corpus, tokenizer, rows with and without metadata, a training for every arm and seed, and what they are judged by. */
export async function mecoStages(context: MecoContext): Promise<Stage<MecoContext>[]> {
  const { arms, train } = context.recipe;
  const shares = sharesOf(context.recipe);
  // Models are judged on the held-out rows of the two-stage table, whichever arms there are.
  const tables = [...new Set([...arms.map((arm) => ROWS_OF[arm]), 'meco' as const])];
  return [
    await corpusStage(context, shares),
    await tokenizerStage(context, shares),
    ...tables.map((rows) => rowsStageOf(context.recipe, rows)),
    ...arms.flatMap((arm) => train.seeds.map((seed) => trainStage(context.recipe, arm, seed))),
    ...evaluationStages(context.recipe),
  ];
}

function rowsStageOf(recipe: MecoRecipe, rows: Rows): Stage<MecoContext> {
  const { seed } = recipe;
  const { length, strategy } = recipe.rows;
  const { form, ...template } = recipe.metadata;
  const fractions = sharesOf(recipe);
  const cooldown = rows === 'meco' ? recipe.cooldown : 0;
  const dir = rowsDir(rows);
  return {
    name: rowsStage(rows),
    inputs: ['corpus', 'tokenizer'],
    outputs: [dir],
    scratch: [`${dir.slice(0, -1)}.partial/`],
    config: { rows, length, strategy, metadata: recipe.metadata, cooldown, seed, fractions },
    async run(context, progress) {
      const corpus = await context.corpus();
      const path = context.path(dir.slice(0, -1));
      // Empty, made for the stage; or whole, where the stage was killed after the folder got its name.
      await rm(path, { recursive: true });
      const metadata =
        rows === 'plain'
          ? { metadata: 'none' as const }
          : corpus.columns.includes('url')
            ? { metadata: form }
            : { template: '{domain}' };
      const report = await conditionInto(path, context.path(FILES.corpus), {
        tokenizer: context.path(FILES.tokenizer),
        length,
        strategy,
        ...metadata,
        ...template,
        cooldown,
        fractions,
        seed,
        signal: context.signal,
        onProgress: (_, done, total, unit) => progress(done, total, unit),
      });
      const { given, missing, malformed } = report.metadata;
      const counts = { documents: report.documents, withMetadata: given, withoutMetadata: missing + malformed };
      return { ...counts, conditionedRows: report.conditioned?.rows ?? 0, plainRows: report.plain.rows };
    },
  };
}

function trainStage(recipe: MecoRecipe, arm: Arm, seed: number): Stage<MecoContext> {
  const { seeds: _, ...optimization } = recipe.train;
  const dir = trainingDir(arm, seed);
  return {
    name: trainingStage(arm, seed),
    inputs: [rowsStage(ROWS_OF[arm])],
    outputs: [dir],
    scratch: [`${dir}${TRAINING_FILES.checkpoints}`],
    config: { arm, seed, cooldown: recipe.cooldown, optimization, model: recipe.model, backend: recipe.backend },
    async run(context, progress) {
      const { samples, plan } = await armRows(context, arm, seed);
      const model = await LanguageModel.initialize(await modelConfig(context), {
        backend: await context.backend(),
        seed,
      });
      try {
        return await trainInto(context.path(dir), {
          model,
          plan,
          samples,
          optimization,
          checkpointEvery: CHECKPOINT_EVERY,
          onStep: ({ step }) => progress(step, optimization.steps, 'steps'),
          signal: context.signal,
        });
      } finally {
        model.dispose();
      }
    },
  };
}

/** What an arm makes of its rows, in an order that the seed draws. */
const ARM_ROWS: Record<
  Arm,
  (rows: (table: 'conditioned' | 'plain') => Promise<PlannedRows>, run: RunSize) => Promise<Trained>
> = {
  standard: (rows) => rows('plain'),
  'metadata-only': (rows) => rows('conditioned'),
  meco: async (rows, run) =>
    withCooldown({ conditioned: await rows('conditioned'), plain: await rows('plain'), ...run }),
  mixed: async (rows, run) =>
    mixedThroughout({ conditioned: await rows('conditioned'), plain: await rows('plain'), ...run }),
};

type Trained = Pick<StagedRun, 'samples' | 'plan'>;
interface RunSize {
  steps: number;
  batchSize: number;
  cooldown: number;
}

async function armRows(context: MecoContext, arm: Arm, seed: number): Promise<Trained> {
  const { recipe } = context;
  const { steps, batch } = recipe.train;
  const rows = async (table: 'conditioned' | 'plain'): Promise<PlannedRows> => {
    const samples = await openSamples(context.path(rowsDir(ROWS_OF[arm]), table));
    const order = randomUint32(recipe.seed, streamOf(`meco ${table}`), seed);
    return { samples, plan: planOf(samples.rows('train'), null, { method: 'shuffle', seed: order }) };
  };
  return ARM_ROWS[arm](rows, { steps, batchSize: batch, cooldown: recipe.cooldown });
}

/** The recipe's model with what follows from its tokenizer; its window has room for other metadata than a row was cut for. */
async function modelConfig(context: MecoContext): Promise<ModelConfig> {
  const { vocabularySize } = await loadTokenizer(context.path(FILES.tokenizer));
  const { model, rows } = context.recipe;
  return { max_position_embeddings: 2 * rows.length, ...model, vocab_size: vocabularySize } as unknown as ModelConfig;
}
