/* Layers that several architectures share, in operations of the tape. */
import type { TransformerShape } from '../../model/shape.ts';
import * as op from './operations.ts';
import { tensor, type Parameters } from './parameters.ts';
import { constant, type Variable } from './tape.ts';

/** x Wᵀ, for W [out, in] as most checkpoints store it. */
export function linear(x: Variable, w: Variable): Variable {
  return op.matmul(x, op.transpose(w));
}

/** x + bias in every row. */
export function addBias(x: Variable, bias: Variable): Variable {
  return op.add(x, op.repeatRow(bias, x.rows));
}

/** x / √(mean(x²) + ε) ∘ gain, row by row (Zhang and Sennrich 2019). */
export function rmsNorm(x: Variable, gain: Variable, eps: number): Variable {
  return op.multiply(divideByRootMeanSquare(x, eps), op.repeatRow(gain, x.rows));
}

/** (x − mean(x)) / √(var(x) + ε) ∘ gain + bias, row by row, with NAME.weight and NAME.bias (Ba et al. 2016). */
export function layerNorm(x: Variable, parameters: Parameters, name: string, eps: number): Variable {
  const mean = op.scale(op.sumColumns(x), 1 / x.columns);
  const normed = divideByRootMeanSquare(op.subtract(x, op.repeatColumn(mean, x.columns)), eps);
  const gain = op.repeatRow(tensor(parameters, `${name}.weight`), x.rows);
  return addBias(op.multiply(normed, gain), tensor(parameters, `${name}.bias`));
}

function divideByRootMeanSquare(x: Variable, eps: number): Variable {
  const meanSquare = op.scale(op.sumColumns(op.multiply(x, x)), 1 / x.columns);
  const inverse = op.power(op.shift(meanSquare, eps), -0.5);
  return op.multiply(x, op.repeatColumn(inverse, x.columns));
}

/** x Φ(x), or its tanh form ½x (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel 2016). */
export function gelu(x: Variable, form: TransformerShape['activation']): Variable {
  if (form === 'gelu') return op.multiply(x, op.normalCdf(x));
  const cube = op.multiply(x, op.multiply(x, x));
  const inner = op.scale(op.add(x, op.scale(cube, 0.044715)), Math.sqrt(2 / Math.PI));
  return op.multiply(op.scale(x, 0.5), op.shift(op.tanh(inner), 1));
}

/**
 * softmax(q kᵀ / √headDim + mask) v of each head, heads side by side, [tokens, heads · headDim]. Heads share keys and
 * values where there are fewer of them (Ainslie et al. 2023).
 * @param turn applied to queries and keys of each head, for rotary positions
 */
export function attention(
  { heads, kvHeads, headDim }: TransformerShape,
  queries: Variable,
  keys: Variable,
  values: Variable,
  mask: Variable,
  turn: (x: Variable) => Variable = (x) => x,
): Variable {
  const headOf = (x: Variable, h: number): Variable => op.sliceColumns(x, h * headDim, headDim);
  const keyHeads = Array.from({ length: kvHeads }, (_, h) => turn(headOf(keys, h)));
  const valueHeads = Array.from({ length: kvHeads }, (_, h) => headOf(values, h));
  const outputs = Array.from({ length: heads }, (_, h) => {
    const group = Math.floor(h / (heads / kvHeads));
    const scores = op.matmul(turn(headOf(queries, h)), op.transpose(keyHeads[group]));
    const weights = op.softmax(op.add(op.scale(scores, 1 / Math.sqrt(headDim)), mask));
    return op.placeColumns(op.matmul(weights, valueHeads[group]), h * headDim, heads * headDim);
  });
  return outputs.reduce(op.add);
}

/**
 * [tokens, tokens]: 0 where query i sees key j, −∞ elsewhere. It sees those within the window (|i − j| < window, where
 * there is one), and if causal none after itself.
 */
export function attentionMask({ causal, slidingWindow }: TransformerShape, tokens: number): Variable {
  const window = slidingWindow ?? tokens;
  const mask = new Float64Array(tokens * tokens).fill(-Infinity);
  for (let i = 0; i < tokens; i++) {
    const first = Math.max(0, i - window + 1);
    const end = causal ? i + 1 : Math.min(tokens, i + window);
    mask.fill(0, i * tokens + first, i * tokens + end);
  }
  return constant(tokens, tokens, mask);
}

/** 0, 1, …, tokens − 1 */
export function positionsOf(tokens: number): Int32Array {
  return Int32Array.from({ length: tokens }, (_, t) => t);
}
