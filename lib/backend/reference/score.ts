import type { Pooling, RaterShape } from '../../model/shape.ts';
import type { ReferenceArchitecture } from './architectures/architecture.ts';
import { addBias, linear } from './layers.ts';
import * as op from './operations.ts';
import { tensor, type Parameters } from './parameters.ts';
import type { Sample } from './samples.ts';
import type { Variable } from './tape.ts';

/** ⟨w, pooled hidden states of a row⟩ + b, 1 × 1; packed documents of the row are pooled together. */
export function sampleScore(
  architecture: ReferenceArchitecture,
  shape: RaterShape,
  parameters: Parameters,
  row: Sample,
): Variable {
  const documents = row.map((document) => architecture.hidden(shape, parameters, document));
  const score = linear(pool(documents, shape.pooling), tensor(parameters, 'score_head.weight'));
  return parameters.has('score_head.bias') ? addBias(score, tensor(parameters, 'score_head.bias')) : score;
}

/** One vector [1, hiddenSize] of a row's hidden states, given document by document. */
function pool(documents: Variable[], pooling: Pooling): Variable {
  if (pooling === 'first') return op.gatherRows(documents[0], Int32Array.of(0));
  const last = documents[documents.length - 1];
  if (pooling === 'last') return op.gatherRows(last, Int32Array.of(last.rows - 1));
  const tokens = documents.reduce((count, { rows }) => count + rows, 0);
  return op.scale(documents.map(op.sumRows).reduce(op.add), 1 / tokens);
}
