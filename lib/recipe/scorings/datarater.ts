import { join } from 'node:path';
import { loadTokenizer } from '../../data/tokenizer.ts';
import {
  featureFlops,
  forwardFlops,
  metaTrainingFlops,
  raterFlops,
  type MetaTrainingSize,
} from '../../evaluate/compute.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { referencePasses } from '../../model/row-features.ts';
import { scoreRows } from '../../score/rater-scores.ts';
import { saveScorer } from '../../score/scorer-files.ts';
import { divideRows, trainDataRater } from '../../weight/data-rater.ts';
import { trainInnerStarts } from '../../weight/data-rater/inner-starts.ts';
import { featuresOf, initializeDataRater } from '../../weight/data-rater/rater-model.ts';
import { SAME_AS_INNER } from '../../weight/data-rater/row-sets.ts';
import { FILES, leavingsOf } from '../context.ts';
import { modelConfig } from '../model-config.ts';
import { trainingRows } from '../rows.ts';
import type { ScoringOf } from '../scoring-schema.ts';
import { targetRows } from '../target.ts';
import { addWork, FORWARD, workOf, type Work } from '../work.ts';
import type { ScoringMethod } from './method.ts';

type DataRater = ScoringOf<'datarater'>;

/** Meta-steps from one checkpoint to the next. */
const CHECKPOINT_EVERY = 25;

/**
 * A rater that learns on rows outside the pool what these are worth to the target rows, by differentiating through the
 * training of models on them, and then scores the pool. The rater and the log of its training stay with the run.
 */
export const dataRaterScoring: ScoringMethod<DataRater> = {
  title: () => 'DataRater',
  leaves: true,
  work: ({ pool }, [settings]) => addWork(metaTrainingWork(settings), workOf(pool.rows, ratingOf(settings))),
  training: (_, [settings]) => metaTrainingWork(settings),
  async score(context, { scorings, pool, scratch, onProgress }) {
    const [[name, settings]] = Object.entries(scorings);
    const { batch, steps, ages } = settings;
    const { recipe, signal } = context;
    const { seed } = recipe;
    const samples = await context.samples();
    const backend = await context.backend();
    const target = await targetRows(context);
    const { rest } = trainingRows(samples, recipe.pool.rows, seed);
    const { inner, rated } = divideRows(rest, { seed, ratedShare: settings.rated });
    const directory = context.path(leavingsOf(name));

    const model = await LanguageModel.initialize(await modelConfig(context), { backend, seed, signal });
    const starts = await trainInnerStarts(model, {
      ...{ samples, rows: inner, ages, batchSize: batch, seed, signal },
      optimizer: { kind: 'adamw', lr: settings.startLr, betas: [0.9, 0.95], clipNorm: 1 },
      checkpointDir: join(scratch, 'starts'),
      onStep: ({ step }) => onProgress(step, Math.max(...ages), 'steps'),
    });
    const tokenizer = await loadTokenizer(context.path(FILES.tokenizer));
    const rater = await initializeDataRater(model.config, {
      features: featuresOf(settings.features, { samples, rows: rated, model, tokenizer }),
      ...{ backend, seed, signal, causal: settings.causal },
      from: settings.backbone === 'inner' ? model : undefined,
    });
    try {
      const trained = await trainDataRater({
        rater,
        model,
        inner: { samples, rows: inner, batchSize: batch },
        rated: rated === inner ? SAME_AS_INNER : { samples, rows: rated },
        heldOut: { samples, rows: target, batchSize: settings.targetBatch },
        steps,
        window: settings.window,
        temperature: settings.temperature,
        population: { size: settings.population, life: settings.life, starts },
        modelsPerStep: settings.modelsPerStep,
        innerOptimizer: { kind: 'adamw', lr: settings.innerLr, betas: [0.9, 0.95] },
        optimizer: {
          ...{ kind: 'adamw', lr: settings.lr, betas: [0.9, 0.99] },
          ...{ weightDecay: settings.weightDecay, clipNorm: settings.clipNorm },
        },
        schedule: { kind: 'cosine', warmupSteps: Math.min(steps, settings.warmup), finalRatio: settings.finalLr },
        normalize: settings.normalize,
        sharedOptimizer: settings.sharedOptimizer,
        firstOrder: settings.firstOrder,
        seed,
        checkpoint: { dir: join(scratch, 'checkpoints'), every: CHECKPOINT_EVERY },
        log: join(directory, 'log.jsonl'),
        onStep: ({ step }) => onProgress(step, steps, 'meta-steps'),
        signal,
      });
      const scores = await scoreRows(rater, samples, pool, {
        batchSize: batch,
        signal,
        onProgress: ({ done, total }) => onProgress(done, total),
      });
      const metaFlops = metaTrainingFlops({
        ...sizeOf(settings),
        modelFlops: forwardFlops(model.config, samples.length),
        raterFlops: raterFlops(rater.config, samples.length),
        featureFlops: featureFlops(rater.config, samples.length),
      });
      const record = { column: name, method: 'datarater', ...trained, metaFlops };
      await saveScorer(join(directory, 'model'), rater, record, tokenizer);
      const { outerLoss, effectiveSamples, stability } = trained;
      return {
        scores: { [name]: scores },
        facts: { targetRows: target.length, targetLoss: outerLoss, effectiveSamples, stability },
      };
    } finally {
      for (const { parameters, state } of starts)
        for (const vector of [parameters, state?.m, state?.v]) vector?.dispose();
      rater.dispose();
      model.dispose();
    }
  },
};

function sizeOf(settings: DataRater): Omit<MetaTrainingSize, 'modelFlops' | 'raterFlops' | 'featureFlops'> {
  const { steps, modelsPerStep, window, batch, targetBatch, ages, firstOrder } = settings;
  return {
    metaSteps: steps,
    innerModels: modelsPerStep,
    innerSteps: window,
    innerBatch: batch,
    outerBatch: targetBatch,
    startSteps: Math.max(...ages),
    firstOrder,
  };
}

/** Forward passes of the model that rating a row counts as: the rater has its shape, and so has the reference. */
const ratingOf = ({ features }: DataRater): number => FORWARD * (1 + referencePasses(features));

/** Training the beginnings and the rater. */
function metaTrainingWork(settings: DataRater): Work {
  const { steps, modelsPerStep, window, batch, targetBatch, ages } = settings;
  return {
    rows: Math.max(...ages) * batch + steps * modelsPerStep * (window * batch + targetBatch),
    forwards: metaTrainingFlops({
      ...sizeOf(settings),
      modelFlops: FORWARD,
      raterFlops: ratingOf(settings),
      featureFlops: FORWARD * referencePasses(settings.features),
    }),
  };
}
