import type { EngineBatch, EngineModel, MemoryRequest } from '../backend/types.ts';
import { checkInteger, checkObject, checkOptions, invalid, type OptionNames } from '../check.ts';
import { IGNORED_LABEL } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';
import type { TransformerShape } from './shape.ts';

/** The shape of a batch without its tokens. */
export interface BatchShape {
  /** Rows. */
  batch: number;
  /** Tokens a row. */
  time: number;
  /** Predicted positions a row; default: all that can be. */
  predictions?: number;
}

/** What memory() is asked about; `trainingStep`: gradient and AdamW update. */
export type MemoryOperation = 'loss' | 'gradient' | 'perSample' | 'jvp' | 'hvp' | 'trainingStep';

/** What a perSample call would ask for; the counterpart of PerSampleRequest without its vectors. */
export interface PerSampleMemory {
  norms?: boolean;
  /** How many vectors dots are taken with. */
  dots?: number;
  gram?: boolean;
  gradients?: boolean;
  sketch?: { dimensions: number };
  /** Whether the weighted gradient is wanted. */
  gradient?: boolean;
}

const REQUEST: OptionNames<PerSampleMemory> = {
  norms: true,
  dots: true,
  gram: true,
  gradients: true,
  sketch: true,
  gradient: true,
};

/** Bytes at the peak of an operation. */
export interface MemoryEstimate {
  /** The model's parameters and, in bfloat16, their copies for products. */
  parameters: number;
  /** Parameter vectors that go in and come out: directions, gradients, optimizer state. */
  vectors: number;
  /** Activations, their gradients and everything else that one pass takes. */
  activations: number;
  /** Scratch of the compute threads. */
  workspace: number;
  total: number;
}

/** More is a full projection rather than a sketch. */
export const MAX_SKETCH_DIMENSIONS = 2 ** 20;
const MAX_DOTS = 2 ** 16;
/** The tokens' own arrays are made. */
const MAX_TOKENS = 2 ** 28;

/**
 * Predicts the peak memory of an operation from shapes: the engine is run on a device that computes nothing and counts.
 * @throws GradfoldError INVALID_ARGUMENT; UNSUPPORTED on a backend that does not plan its memory
 */
export function estimateMemory(
  engine: EngineModel,
  shape: TransformerShape,
  batchShape: BatchShape,
  operation: MemoryOperation,
  request: PerSampleMemory = {},
): MemoryEstimate {
  if (!engine.memory) {
    throw new GradfoldError(
      'UNSUPPORTED',
      'memory: the reference backend does not plan its memory; open the cpu backend',
    );
  }
  checkObject('shape', batchShape);
  checkOptions('request', request, REQUEST);
  const batch = batchOf(batchShape, shape);
  const dots = checkInteger('dots', request.dots ?? 0, 0, MAX_DOTS);
  const { pass, vectors } = planOf(operation, batch.samples, { ...request, dots });
  const { parameters, activations, workspace } = engine.memory(batch, pass);
  const bytes = { parameters, vectors: vectors * engine.parameters.length * 4, activations, workspace };
  return { ...bytes, total: parameters + bytes.vectors + activations + workspace };
}

/** The pass that an operation makes, and how many parameter vectors stand beside it. */
function planOf(
  operation: MemoryOperation,
  samples: number,
  request: PerSampleMemory & { dots: number },
): { pass: MemoryRequest; vectors: number } {
  switch (operation) {
    case 'loss':
      return { pass: { operation: 'loss' }, vectors: 0 };
    case 'gradient':
      return { pass: { operation: 'backward', gradient: true }, vectors: 1 };
    case 'trainingStep':
      return { pass: { operation: 'backward', gradient: true }, vectors: 3 }; // and both moments
    case 'jvp':
      return { pass: { operation: 'jvp' }, vectors: 1 };
    case 'hvp':
      return { pass: { operation: 'hvp' }, vectors: 2 };
    case 'perSample': {
      const { sketch, ...pass } = request;
      if (sketch !== undefined) checkObject('sketch', sketch);
      const dimensions = sketch && checkInteger('sketch.dimensions', sketch.dimensions, 1, MAX_SKETCH_DIMENSIONS);
      const own = (request.gradients ? samples : 0) + (request.gradient ? 1 : 0);
      return {
        pass: { operation: 'backward', ...pass, sketch: dimensions },
        vectors: request.dots + own,
      };
    }
    default:
      throw invalid('operation', 'loss, gradient, perSample, jvp, hvp or trainingStep', operation);
  }
}

/** A batch of that shape; which tokens it holds makes no difference. */
function batchOf({ batch, time, predictions }: BatchShape, shape: TransformerShape): EngineBatch {
  const rows = checkInteger('batch', batch, 1);
  const tokens = checkInteger('time', time, 1, shape.learnedPositions || undefined);
  checkInteger('batch × time', rows * tokens, 1, MAX_TOKENS);
  const first = shape.objective === 'next-token' ? 1 : 0;
  const most = Math.max(0, tokens - first);
  const predicted = checkInteger('predictions', predictions ?? most, 0, most);
  const labels = new Int32Array(rows * tokens).fill(IGNORED_LABEL);
  for (let row = 0; row < rows; row++) labels.fill(0, row * tokens + first, row * tokens + first + predicted);
  return {
    batch: rows,
    time: tokens,
    inputIds: Int32Array.from(labels, (_, t) => t % shape.vocabSize),
    labels,
    attentionMask: new Uint8Array(rows * tokens).fill(1),
    granularity: 'row',
    samples: rows,
  };
}
