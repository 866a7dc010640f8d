import { checkFinite } from '../check.ts';
import { GradfoldError } from '../errors.ts';

/** Hugging Face `rope_parameters` (transformers 5) or `rope_scaling` (earlier). */
export interface RopeParameters {
  rope_theta?: number;
  rope_type?: string;
  /** The older name of rope_type. */
  type?: string;
  factor?: number;
  low_freq_factor?: number;
  high_freq_factor?: number;
  original_max_position_embeddings?: number;
}

interface RopeConfig {
  rope_theta?: number;
  rope_parameters?: RopeParameters | null;
  rope_scaling?: RopeParameters | null;
}

type Scaling = (frequency: number, parameters: RopeParameters) => number;

/** How each rope_type changes the angle per position. */
const SCALINGS: Record<string, Scaling> = {
  default: (frequency) => frequency,
  linear: (frequency, p) => frequency / factor(p),
  llama3: (frequency, p) => {
    const low = checkFinite('rope_parameters.low_freq_factor', p.low_freq_factor, { above: 0 });
    const high = checkFinite('rope_parameters.high_freq_factor', p.high_freq_factor, { above: low });
    const context = checkFinite(
      'rope_parameters.original_max_position_embeddings',
      p.original_max_position_embeddings,
      { above: 0 },
    );
    const turns = (context * frequency) / (2 * Math.PI); // full turns within the original context
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return (1 - smooth) * (frequency / factor(p)) + smooth * frequency;
  },
};

/**
 * Angle per position of each rotary pair: 1/theta^(2j/headDim), j = 0 … headDim/2 − 1, then scaled as rope_type says
 * (Su et al. 2021, RoFormer; Llama 3.1 for 'llama3').
 * @throws GradfoldError UNSUPPORTED for other rope types.
 */
export function inverseFrequencies(config: RopeConfig, headDim: number): Float64Array {
  const parameters = config.rope_parameters ?? config.rope_scaling ?? {};
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  const scaling = Object.hasOwn(SCALINGS, type) ? SCALINGS[type] : undefined;
  if (!scaling) {
    throw new GradfoldError(
      'UNSUPPORTED',
      `rope_type: expected one of ${Object.keys(SCALINGS).join(', ')}, got ${JSON.stringify(type)}`,
    );
  }
  const theta = checkFinite('rope_theta', parameters.rope_theta ?? config.rope_theta ?? 10000, { above: 0 });
  return Float64Array.from({ length: headDim / 2 }, (_, j) => scaling(theta ** ((-2 * j) / headDim), parameters));
}

function factor(p: RopeParameters): number {
  return checkFinite('rope_parameters.factor', p.factor, { above: 0 });
}
