import type { TransformerShape } from '../../../model/shape.ts';
import { attention, attentionMask, linear, rmsNorm } from '../layers.ts';
import * as op from '../operations.ts';
import { tensor, type Parameters } from '../parameters.ts';
import type { Document } from '../samples.ts';
import { constant, type Variable } from '../tape.ts';
import type { ReferenceArchitecture } from './architecture.ts';

/** LLaMA (Touvron et al. 2023) and Mistral (Jiang et al. 2023), as Hugging Face transformers computes them. */
export const LLAMA: ReferenceArchitecture = {
  hidden(shape: TransformerShape, parameters: Parameters, { inputIds }: Document): Variable {
    const rotation = rotationOf(shape, inputIds.length);
    const mask = attentionMask(shape, inputIds.length);
    const norm = (x: Variable, name: string): Variable =>
      rmsNorm(x, tensor(parameters, `model.${name}.weight`), shape.normEps);
    let x = op.gatherRows(tensor(parameters, 'model.embed_tokens.weight'), inputIds);
    for (let layer = 0; layer < shape.layers; layer++) {
      const of = (name: string): Variable => tensor(parameters, `model.layers.${layer}.${name}.weight`);
      x = op.add(x, selfAttention(shape, of, norm(x, `layers.${layer}.input_layernorm`), rotation, mask));
      x = op.add(x, swiglu(of, norm(x, `layers.${layer}.post_attention_layernorm`)));
    }
    return norm(x, 'norm');
  },

  logits(shape: TransformerShape, parameters: Parameters, hidden: Variable): Variable {
    return linear(hidden, tensor(parameters, shape.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight'));
  },
};

function selfAttention(
  shape: TransformerShape,
  of: (name: string) => Variable,
  x: Variable,
  rotation: Rotation,
  mask: Variable,
): Variable {
  const [queries, keys, values] = ['q', 'k', 'v'].map((name) => linear(x, of(`self_attn.${name}_proj`)));
  const mixed = attention(shape, queries, keys, values, mask, (head) => rotate(head, rotation));
  return linear(mixed, of('self_attn.o_proj'));
}

/** down(silu(gate(x)) ∘ up(x)) (Shazeer 2020), silu(z) = z σ(z). */
function swiglu(of: (name: string) => Variable, x: Variable): Variable {
  const gate = linear(x, of('mlp.gate_proj'));
  const activated = op.multiply(gate, op.sigmoid(gate));
  return linear(op.multiply(activated, linear(x, of('mlp.up_proj'))), of('mlp.down_proj'));
}

/** Cosine and sine of every angle, both [tokens, headDim]: dimension j and j + headDim/2 turn together. */
interface Rotation {
  cosine: Variable;
  sine: Variable;
}

/** Angles position · inverseFrequency, positions from 0 (Su et al. 2021). */
function rotationOf(shape: TransformerShape, tokens: number): Rotation {
  const { headDim, inverseFrequencies } = shape;
  const cosine = new Float64Array(tokens * headDim);
  const sine = new Float64Array(tokens * headDim);
  for (let position = 0; position < tokens; position++) {
    for (let j = 0; j < headDim; j++) {
      const angle = position * inverseFrequencies[j % (headDim / 2)];
      cosine[position * headDim + j] = Math.cos(angle);
      sine[position * headDim + j] = Math.sin(angle);
    }
  }
  return { cosine: constant(tokens, headDim, cosine), sine: constant(tokens, headDim, sine) };
}

/** x ∘ cos + rotateHalf(x) ∘ sin, where rotateHalf([a, b]) = [−b, a] for the two halves of the columns. */
function rotate(x: Variable, { cosine, sine }: Rotation): Variable {
  const half = x.columns / 2;
  const first = op.sliceColumns(x, 0, half);
  const second = op.sliceColumns(x, half, half);
  const turned = op.add(op.placeColumns(op.scale(second, -1), 0, 2 * half), op.placeColumns(first, half, 2 * half));
  return op.add(op.multiply(x, cosine), op.multiply(turned, sine));
}
