import type { DecoderShape } from '../../model/config.ts';
import type { ParameterLayout } from '../../model/layout.ts';
import * as op from './operations.ts';
import type { Document, Sample } from './samples.ts';
import { constant, type Variable } from './tape.ts';

/** Parameters on the tape by their checkpoint names: [out, in] for matrices, [1, d] for vectors. */
export type Parameters = ReadonlyMap<string, Variable>;

/** Puts a flat parameter vector on the tape, as leaves or as constants, sharing its memory. */
export function parametersOf(
  data: Float64Array,
  layout: ParameterLayout,
  kind: (rows: number, columns: number, data: Float64Array) => Variable,
): Parameters {
  return new Map(
    layout.slots.map(({ name, shape, offset, size }) => {
      const columns = shape[shape.length - 1];
      return [name, kind(size / columns, columns, data.subarray(offset, offset + size))];
    }),
  );
}

/**
 * Mean cross-entropy of a sample over all its predictions, 1 × 1; a constant 0 when there are none.
 * LLaMA (Touvron et al. 2023) and Mistral (Jiang et al. 2023), as Hugging Face transformers computes them.
 */
export function sampleLoss(shape: DecoderShape, parameters: Parameters, sample: Sample): Variable {
  let total: Variable = constant(1, 1, new Float64Array(1));
  let count = 0;
  for (const document of sample) {
    if (document.positions.length === 0) continue;
    total = op.add(total, documentLoss(shape, parameters, document));
    count += document.positions.length;
  }
  return count === 0 ? total : op.scale(total, 1 / count);
}

/** Sum of the cross-entropies of one document's predictions: Σ_t logsumexp(z_t) − z_t[target_t]. */
function documentLoss(shape: DecoderShape, parameters: Parameters, document: Document): Variable {
  const hidden = decoderForward(shape, parameters, document.inputIds);
  const head = shape.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  const logits = linear(op.gatherRows(hidden, document.positions), weight(parameters, head));
  return op.sum(op.subtract(op.logSumExp(logits), op.pick(logits, document.targets)));
}

/** Output of the final norm for one document, [tokens, hiddenSize]. */
function decoderForward(shape: DecoderShape, parameters: Parameters, inputIds: Int32Array): Variable {
  const rotation = rotationOf(shape, inputIds.length);
  const mask = attentionMaskOf(shape, inputIds.length);
  let x = op.gatherRows(weight(parameters, 'model.embed_tokens.weight'), inputIds);
  for (let layer = 0; layer < shape.layers; layer++) {
    const of = (name: string): Variable => weight(parameters, `model.layers.${layer}.${name}.weight`);
    x = op.add(x, attention(shape, of, rmsNorm(x, of('input_layernorm'), shape.normEps), rotation, mask));
    x = op.add(x, swiglu(of, rmsNorm(x, of('post_attention_layernorm'), shape.normEps)));
  }
  return rmsNorm(x, weight(parameters, 'model.norm.weight'), shape.normEps);
}

/** x / √(mean(x²) + ε) ∘ gain, row by row (Zhang and Sennrich 2019). */
function rmsNorm(x: Variable, gain: Variable, eps: number): Variable {
  const meanSquare = op.scale(op.sumColumns(op.multiply(x, x)), 1 / x.columns);
  const inverse = op.power(op.shift(meanSquare, eps), -0.5);
  return op.multiply(op.multiply(x, op.repeatColumn(inverse, x.columns)), op.repeatRow(gain, x.rows));
}

/** Grouped-query attention (Ainslie et al. 2023): softmax(q kᵀ / √headDim + mask) v per head, then the output map. */
function attention(
  shape: DecoderShape,
  of: (name: string) => Variable,
  x: Variable,
  rotation: Rotation,
  mask: Variable,
): Variable {
  const { heads, kvHeads, headDim } = shape;
  const queries = linear(x, of('self_attn.q_proj'));
  const keys = linear(x, of('self_attn.k_proj'));
  const values = linear(x, of('self_attn.v_proj'));
  const keyHeads = Array.from({ length: kvHeads }, (_, h) =>
    rotate(op.sliceColumns(keys, h * headDim, headDim), rotation),
  );
  const valueHeads = Array.from({ length: kvHeads }, (_, h) => op.sliceColumns(values, h * headDim, headDim));
  const outputs = Array.from({ length: heads }, (_, h) => {
    const group = Math.floor(h / (heads / kvHeads));
    const query = rotate(op.sliceColumns(queries, h * headDim, headDim), rotation);
    const scores = op.scale(op.matmul(query, op.transpose(keyHeads[group])), 1 / Math.sqrt(headDim));
    const mixed = op.matmul(op.softmax(op.add(scores, mask)), valueHeads[group]);
    return op.placeColumns(mixed, h * headDim, heads * headDim);
  });
  return linear(outputs.reduce(op.add), of('self_attn.o_proj'));
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
function rotationOf(shape: DecoderShape, tokens: number): Rotation {
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

/** [tokens, tokens]: 0 where query i sees key j (i − window < j ≤ i), −∞ elsewhere. */
function attentionMaskOf(shape: DecoderShape, tokens: number): Variable {
  const window = shape.slidingWindow ?? tokens;
  const mask = new Float64Array(tokens * tokens).fill(-Infinity);
  for (let i = 0; i < tokens; i++) mask.fill(0, i * tokens + Math.max(0, i - window + 1), i * tokens + i + 1);
  return constant(tokens, tokens, mask);
}

/** x Wᵀ, for W [out, in] as checkpoints store it */
function linear(x: Variable, w: Variable): Variable {
  return op.matmul(x, op.transpose(w));
}

function weight(parameters: Parameters, name: string): Variable {
  const found = parameters.get(name);
  if (!found) throw new RangeError(`no parameter ${name}`);
  return found;
}
