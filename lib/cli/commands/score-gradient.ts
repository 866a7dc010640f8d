import { openSamples, type Samples, type Split } from '../../data/samples.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { createOptimizer, type Optimizer } from '../../model/optimizer.ts';
import { batchesOf, drawRows } from '../../recipe/rows.ts';
import { estimateMoments, gradientScores } from '../../score/gradient.ts';
import {
  backendOptions,
  claimOutput,
  defineCommand,
  forceOption,
  integer,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
  type CommonOptions,
} from '../command.ts';
import { rowsToScore, splitOption, writtenScores } from '../score-output.ts';

interface MomentFlags {
  optimizer?: string;
  moments: number;
  batch: number;
}

export const scoreGradient = defineCommand<
  BackendFlags &
    MomentFlags & {
      out: string;
      model: string;
      split: Split;
      targetDomain?: string;
      targetRows: number;
      force: boolean;
    }
>({
  usage: 'score gradient <samples>',
  description: "Score rows by their gradient's dot product with that of a target set, at one checkpoint.",
  example: 'gradfold score gradient tokens/samples.arrow --model model --target-domain speeches --out gradient.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table'),
    option('--model <dir>', 'Hugging Face directory').makeOptionMandatory(),
    splitOption,
    option('--target-domain <name>', 'domain of the target rows (default: all of the target split)'),
    option('--target-rows <n>', 'rows whose mean loss is to go down', positiveInteger, 128),
    option('--optimizer <path>', "AdamW's moments: the optimizer.safetensors of a training's checkpoint"),
    option('--moments <n>', 'without --optimizer, batches to estimate them from; 0: no Adam columns', integer, 16),
    option('--batch <n>', 'rows a batch', positiveInteger, 32),
    ...backendOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch } = options;
    const samples = await openSamples(args[0] as string);
    const rows = rowsToScore(samples, options);
    const target = drawRows(samples, {
      split: 'target',
      domain: options.targetDomain,
      count: options.targetRows,
      seed,
    });
    await claimOutput(out, options.force);
    const { plain, adam, norm } = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal });
      return gradientScores(model, samples, rows, {
        target: [...batchesOf(samples, target, batch)],
        optimizer: await momentsOf(model, samples, options, signal),
        batchSize: batch,
        signal,
        onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
      });
    });
    const columns = {
      gradient: plain.dot,
      gradient_cosine: plain.cosine,
      ...(adam && { gradient_adam: adam.dot, gradient_adam_cosine: adam.cosine }),
      gradient_norm: norm,
    };
    return writtenScores(out, rows, columns, {
      method: 'gradient',
      targetRows: String(target.length),
      moments: options.optimizer ?? `estimated from ${options.moments} batches`,
    });
  },
});

/** The optimizer whose metric is asked for: one that was saved, or one that has seen some training rows. */
async function momentsOf(
  model: LanguageModel,
  samples: Samples,
  { optimizer: path, moments, batch, seed }: MomentFlags & CommonOptions,
  signal: AbortSignal | undefined,
): Promise<Optimizer | undefined> {
  if (path !== undefined) {
    const saved = createOptimizer(model, { kind: 'adamw', lr: 0 });
    await saved.load(path);
    return saved;
  }
  if (moments === 0) return undefined;
  const rows = drawRows(samples, { split: 'train', count: moments * batch, seed });
  return estimateMoments(model, batchesOf(samples, rows, batch), { signal });
}
