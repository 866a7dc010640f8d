import type { Option } from 'commander';
import { invalid } from '../check.ts';
import { MaskedSamples } from '../data/mlm.ts';
import type { Samples } from '../data/samples.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { option, numberIn } from './command.ts';
import { tokenizerNear } from './tokenizers.ts';

export interface MaskFlags {
  tokenizer?: string;
  maskShare: number;
}

export const maskShareOption: Option = option(
  '--mask-share <p>',
  'share of the tokens that an encoder has to predict',
  numberIn({ above: 0, max: 1 }),
  0.15,
);
export const maskOptions: Option[] = [
  option('--tokenizer <path>', 'of the samples, whose mask an encoder needs (default: near the samples)'),
  maskShareOption,
];

/**
 * The samples as a model predicts them: as they are for a decoder, with masks drawn by the seed for an encoder.
 * @throws UsageError where the tokenizer is not known; GradfoldError INVALID_ARGUMENT for one without a mask.
 */
export async function samplesFor(
  model: LanguageModel,
  samples: Samples,
  { path, flags, seed }: { path: string; flags: MaskFlags; seed: number },
): Promise<Samples> {
  if (model.objective === 'next-token') return samples;
  const found = tokenizerNear([path], flags.tokenizer);
  const { maskId, specialIds, vocabularySize } = await loadTokenizer(found);
  if (maskId === null) {
    throw invalid(`${found}: mask token`, `one, which ${model.config.model_type} needs`, 'none', {
      fix: 'make the samples with `gradfold tokenize --mask`',
    });
  }
  return new MaskedSamples(samples, { maskId, specialIds, vocabularySize, share: flags.maskShare, seed });
}
