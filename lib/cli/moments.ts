import type { Samples } from '../data/samples.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { createOptimizer, type Optimizer } from '../model/optimizer.ts';
import { batchesOf, drawRows } from '../recipe/rows.ts';
import { estimateMoments } from '../score/gradient.ts';
import { integer, option, type CommonOptions } from './command.ts';

export interface MomentFlags {
  optimizer?: string;
  moments: number;
  batch: number;
}

/** The options of commands that score in AdamW's metric. */
export const momentOptions = (without: string) => [
  option('--optimizer <path>', "AdamW's moments: the optimizer.safetensors of a training's checkpoint"),
  option('--moments <n>', `without --optimizer, batches to estimate them from${without}`, integer, 16),
];

/** The optimizer whose metric is asked for: one that was saved, or one that has seen some training rows. */
export async function momentsOf(
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
