import type { TransformerShape } from '../../model/shape.ts';
import type { ReferenceArchitecture } from './architectures/architecture.ts';
import * as op from './operations.ts';
import type { Parameters } from './parameters.ts';
import type { Sample } from './samples.ts';
import { constant, type Variable } from './tape.ts';

/**
 * Mean cross-entropy of a sample over all its predictions, 1 × 1; a constant 0 when there are none. That of one
 * document's predictions is Σ_t logsumexp(z_t) − z_t[target_t].
 */
export function sampleLoss(
  architecture: ReferenceArchitecture,
  shape: TransformerShape,
  parameters: Parameters,
  sample: Sample,
): Variable {
  let total: Variable = constant(1, 1, new Float64Array(1));
  let count = 0;
  for (const document of sample) {
    if (document.positions.length === 0) continue;
    const predicting = op.gatherRows(architecture.hidden(shape, parameters, document), document.positions);
    const logits = architecture.logits(shape, parameters, predicting);
    total = op.add(total, op.sum(op.subtract(op.logSumExp(logits), op.pick(logits, document.targets))));
    count += document.positions.length;
  }
  return count === 0 ? total : op.scale(total, 1 / count);
}
