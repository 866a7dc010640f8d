import type { TransformerShape } from '../../../model/shape.ts';
import { addBias, attention, attentionMask, gelu, layerNorm, linear, positionsOf } from '../layers.ts';
import * as op from '../operations.ts';
import { tensor, type Parameters } from '../parameters.ts';
import type { Document } from '../samples.ts';
import type { Variable } from '../tape.ts';
import type { ReferenceArchitecture } from './architecture.ts';

/** GPT-2 (Radford et al. 2019), as Hugging Face transformers computes it without dropout. */
export const GPT2: ReferenceArchitecture = {
  hidden(shape: TransformerShape, parameters: Parameters, { inputIds }: Document): Variable {
    const mask = attentionMask(shape, inputIds.length);
    const tokens = op.gatherRows(tensor(parameters, 'transformer.wte.weight'), inputIds);
    const positions = op.gatherRows(tensor(parameters, 'transformer.wpe.weight'), positionsOf(inputIds.length));
    let x = op.add(tokens, positions);
    for (let layer = 0; layer < shape.layers; layer++) {
      const at = `transformer.h.${layer}`;
      const norm = (name: string): Variable => layerNorm(x, parameters, `${at}.${name}`, shape.normEps);
      x = op.add(x, selfAttention(shape, parameters, at, norm('ln_1'), mask));
      x = op.add(x, mlp(shape, parameters, at, norm('ln_2')));
    }
    return layerNorm(x, parameters, 'transformer.ln_f', shape.normEps);
  },

  logits(shape: TransformerShape, parameters: Parameters, hidden: Variable): Variable {
    return linear(hidden, tensor(parameters, shape.tiedEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight'));
  },
};

/** One product makes queries, keys and values, side by side. */
function selfAttention(
  shape: TransformerShape,
  parameters: Parameters,
  at: string,
  x: Variable,
  mask: Variable,
): Variable {
  const projected = conv1d(x, parameters, `${at}.attn.c_attn`);
  const [queries, keys, values] = [0, 1, 2].map((k) =>
    op.sliceColumns(projected, k * shape.hiddenSize, shape.hiddenSize),
  );
  return conv1d(attention(shape, queries, keys, values, mask), parameters, `${at}.attn.c_proj`);
}

function mlp(shape: TransformerShape, parameters: Parameters, at: string, x: Variable): Variable {
  const inner = gelu(conv1d(x, parameters, `${at}.mlp.c_fc`), shape.activation);
  return conv1d(inner, parameters, `${at}.mlp.c_proj`);
}

/** x W + b, for W [in, out] as GPT-2's checkpoints store it. */
function conv1d(x: Variable, parameters: Parameters, name: string): Variable {
  return addBias(op.matmul(x, tensor(parameters, `${name}.weight`)), tensor(parameters, `${name}.bias`));
}
