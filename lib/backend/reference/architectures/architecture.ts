import type { TransformerShape } from '../../../model/shape.ts';
import type { Parameters } from '../parameters.ts';
import type { Document } from '../samples.ts';
import type { Variable } from '../tape.ts';

/** The formulas of a model family, on its checkpoints' own tensors. */
export interface ReferenceArchitecture {
  /** Last hidden states of one document, after the final norm, [tokens, hiddenSize]. */
  hidden(shape: TransformerShape, parameters: Parameters, document: Document): Variable;
  /** What the head makes of some hidden states: [n, hiddenSize] → [n, vocabSize]. */
  logits(shape: TransformerShape, parameters: Parameters, hidden: Variable): Variable;
}
