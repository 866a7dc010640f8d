import { checkInteger } from '../check.ts';
import { architectureOf } from './architectures/index.ts';
import type { ArchitectureName } from './architectures/architecture.ts';
import type { ModelConfig, RaterConfig } from './config.ts';
import type { TransformerShape } from './shape.ts';

/** How a fresh tensor is filled. */
export type InitialValues =
  | 'zeros'
  | 'ones'
  /** normal(0, scale · initializer_range), except that one row may be zeros */
  | { scale: number; zeroRow?: number };

/** A tensor of a model. */
export interface TensorSpec {
  /** Its Hugging Face name. */
  name: string;
  shape: number[];
  /** What it is to an engine. Tensors of one role are neighbours and form one matrix, rows stacked. */
  role: string;
  initial: InitialValues;
}

/** One named tensor inside the flat parameter vector. */
export interface ParameterSlot extends TensorSpec {
  /** Index of its first element. */
  offset: number;
  /** Number of elements. */
  size: number;
}

/** Where each tensor lies in a model's flat parameter vector. */
export interface ParameterLayout {
  /** Whose tensor names these are. */
  architecture: ArchitectureName;
  length: number;
  slots: readonly ParameterSlot[];
}

/** The tensor of a rater's weights of its features, above their means and below. */
export const FEATURE_WEIGHTS = 'score_head.features';

/** A language model's layout: backbone, then head. */
export function modelLayout(config: ModelConfig, shape: TransformerShape): ParameterLayout {
  const { name, backbone, head } = architectureOf(config);
  return layoutOf(name, [...backbone(shape, config), ...head(shape)]);
}

/** A rater's layout: backbone, then `score_head.weight` and, where it has them, `score_head.bias` and `.features`. */
export function raterLayout(config: RaterConfig, shape: TransformerShape): ParameterLayout {
  const { name, backbone } = architectureOf(config);
  const head: TensorSpec[] = [
    { name: 'score_head.weight', shape: [1, shape.hiddenSize], role: 'score.weight', initial: { scale: 1 } },
  ];
  if (config.bias) head.push({ name: 'score_head.bias', shape: [1], role: 'score.bias', initial: 'zeros' });
  const features = config.features?.length ?? 0;
  // No engine knows them: SequenceRater adds them to what its engine gives.
  if (features > 0) {
    head.push({ name: FEATURE_WEIGHTS, shape: [2, features], role: 'score.features', initial: 'zeros' });
  }
  return layoutOf(name, [...backbone(shape, config), ...head]);
}

/** Whether a tensor of a rater's is its head's, not its backbone's. */
export const isHead = ({ name }: ParameterSlot): boolean => name.startsWith('score_head.');

/** The part of a layout whose tensors pass a test, where it lies in the whole. */
export function partOf(layout: ParameterLayout, belongs: (slot: ParameterSlot) => boolean): ParameterLayout {
  return { ...layout, slots: layout.slots.filter(belongs) };
}

function layoutOf(architecture: ArchitectureName, tensors: TensorSpec[]): ParameterLayout {
  let offset = 0;
  const slots = tensors.map((tensor) => {
    const size = tensor.shape.reduce((a, b) => a * b, 1);
    const slot = { ...tensor, offset, size };
    offset += size;
    return slot;
  });
  checkInteger('parameters of the model', offset, 1);
  return { architecture, length: offset, slots };
}
