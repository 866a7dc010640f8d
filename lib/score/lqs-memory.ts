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
}

/**
 * Peak bytes of an annotation with `checkpointDir`, found without computing. The steps and the number of batches play no
 * part in it.
 * @throws GradfoldError UNSUPPORTED on the reference backend
 */
export function lqsMemory(model: Pick<LanguageModel, 'memory'>, shape: AnnotationShape): MemoryEstimate {
  const { microBatch = Infinity } = shape;
  const part = (batch: BatchShape): BatchShape => ({ ...batch, batch: Math.min(batch.batch, microBatch) });
  const hvp = model.memory(part(shape.batch), 'hvp'); // beside λ and the result
  const passes = [
    hvp,
    model.memory(part(shape.batch), 'gradient'),
    model.memory(part(shape.target), 'gradient'),
    model.memory(part(shape.proxy), 'perSample', { norms: true, dots: 1 }),
  ];
  const vectors = hvp.vectors * (shape.batch.batch > microBatch ? 1.5 : 1); // and the sum of a gradient's parts
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
