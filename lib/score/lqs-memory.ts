import type { LanguageModel } from '../model/language-model.ts';
import type { BatchShape, MemoryEstimate } from '../model/memory.ts';

/** Shapes of an annotation's batches. */
export interface AnnotationShape {
  /** Of a step. */
  batch: BatchShape;
  target: BatchShape;
  proxy: BatchShape;
  /** As in LqsOptions. */
  microBatch?: number;
  /** Optimizers whose metrics the proxy is scored in, beside the plain one; default 0. */
  metrics?: number;
}

/** Of an optimizer's metric: the preconditioned adjoint, and the optimizer's two moments. */
const METRIC_VECTORS = 3;

/**
 * Peak bytes of an annotation with `checkpointDir`, found without computing. The steps and the number of batches play no
 * part in it.
 * @throws GradfoldError UNSUPPORTED on the reference backend
 */
export function lqsMemory(model: Pick<LanguageModel, 'memory'>, shape: AnnotationShape): MemoryEstimate {
  const { microBatch = Infinity, metrics = 0 } = shape;
  const part = (batch: BatchShape): BatchShape => ({ ...batch, batch: Math.min(batch.batch, microBatch) });
  const hvp = model.memory(part(shape.batch), 'hvp'); // beside λ and the result
  const passes = [
    hvp,
    model.memory(part(shape.batch), 'gradient'),
    model.memory(part(shape.target), 'gradient'),
    model.memory(part(shape.proxy), 'perSample', { norms: true, dots: 1 + metrics }),
  ];
  const sums = shape.batch.batch > microBatch ? 1 : 0; // of a gradient's parts
  const vectors = (hvp.vectors / 2) * (2 + sums + METRIC_VECTORS * metrics);
  const activations = Math.max(...passes.map((pass) => pass.activations));
  const workspace = Math.max(...passes.map((pass) => pass.workspace));
  return {
    parameters: hvp.parameters,
    vectors,
    activations,
    workspace,
    total: hvp.parameters + vectors + activations + workspace,
  };
}
