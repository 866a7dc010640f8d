import type { TransformerShape } from '../../../model/shape.ts';
import { addBias, attention, attentionMask, gelu, layerNorm, linear, positionsOf } from '../layers.ts';
import * as op from '../operations.ts';
import { tensor, type Parameters } from '../parameters.ts';
import type { Document } from '../samples.ts';
import type { Variable } from '../tape.ts';
import type { ReferenceArchitecture } from './architecture.ts';

const EMBEDDINGS = 'bert.embeddings';
const PREDICTIONS = 'cls.predictions';

/** BERT (Devlin et al. 2019) with its masked-token head, as Hugging Face transformers computes it without dropout. */
export const BERT: ReferenceArchitecture = {
  hidden(shape: TransformerShape, parameters: Parameters, { inputIds, tokenTypeIds }: Document): Variable {
    const mask = attentionMask(shape, inputIds.length);
    const look = (table: string, rows: Int32Array): Variable =>
      op.gatherRows(tensor(parameters, `${EMBEDDINGS}.${table}_embeddings.weight`), rows);
    const embedded = [
      look('word', inputIds),
      look('token_type', tokenTypeIds),
      look('position', positionsOf(inputIds.length)),
    ].reduce(op.add);
    let x = layerNorm(embedded, parameters, `${EMBEDDINGS}.LayerNorm`, shape.normEps);
    for (let layer = 0; layer < shape.layers; layer++) {
      const at = `bert.encoder.layer.${layer}`;
      const attended = selfAttention(shape, parameters, `${at}.attention`, x, mask);
      x = layerNorm(op.add(x, attended), parameters, `${at}.attention.output.LayerNorm`, shape.normEps);
      const inner = gelu(dense(x, parameters, `${at}.intermediate.dense`), shape.activation);
      const added = dense(inner, parameters, `${at}.output.dense`);
      x = layerNorm(op.add(x, added), parameters, `${at}.output.LayerNorm`, shape.normEps);
    }
    return x;
  },

  /** norm(gelu(dense(h))) Eᵀ + bias, E the word embeddings where matrices are tied. */
  logits(shape: TransformerShape, parameters: Parameters, hidden: Variable): Variable {
    const activated = gelu(dense(hidden, parameters, `${PREDICTIONS}.transform.dense`), shape.activation);
    const normed = layerNorm(activated, parameters, `${PREDICTIONS}.transform.LayerNorm`, shape.normEps);
    if (!shape.tiedEmbeddings) return dense(normed, parameters, `${PREDICTIONS}.decoder`);
    const scores = linear(normed, tensor(parameters, `${EMBEDDINGS}.word_embeddings.weight`));
    return addBias(scores, tensor(parameters, `${PREDICTIONS}.bias`));
  },
};

function selfAttention(
  shape: TransformerShape,
  parameters: Parameters,
  at: string,
  x: Variable,
  mask: Variable,
): Variable {
  const [queries, keys, values] = ['query', 'key', 'value'].map((name) => dense(x, parameters, `${at}.self.${name}`));
  return dense(attention(shape, queries, keys, values, mask), parameters, `${at}.output.dense`);
}

/** x Wᵀ + b, with NAME.weight and NAME.bias. */
function dense(x: Variable, parameters: Parameters, name: string): Variable {
  return addBias(linear(x, tensor(parameters, `${name}.weight`)), tensor(parameters, `${name}.bias`));
}
