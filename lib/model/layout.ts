import type { DecoderShape } from './config.ts';

/** One named tensor inside the flat parameter vector. */
export interface ParameterSlot {
  name: string;
  shape: number[];
  /** Index of its first element. */
  offset: number;
  /** Number of elements. */
  size: number;
}

/** Where each tensor lies in a model's flat parameter vector, in checkpoint order. */
export interface ParameterLayout {
  length: number;
  slots: readonly ParameterSlot[];
}

/**
 * The layout of a LLaMA-style decoder under its Hugging Face tensor names. Within a layer q, k, v and gate, up are
 * neighbours with equal input width, so that an engine may treat each group as one matrix.
 */
export function decoderLayout(shape: DecoderShape): ParameterLayout {
  const { hiddenSize: d, intermediateSize: ff, headDim } = shape;
  const entries: [string, number[]][] = [['model.embed_tokens.weight', [shape.vocabSize, d]]];
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = `model.layers.${layer}`;
    entries.push(
      [`${at}.input_layernorm.weight`, [d]],
      [`${at}.self_attn.q_proj.weight`, [shape.heads * headDim, d]],
      [`${at}.self_attn.k_proj.weight`, [shape.kvHeads * headDim, d]],
      [`${at}.self_attn.v_proj.weight`, [shape.kvHeads * headDim, d]],
      [`${at}.self_attn.o_proj.weight`, [d, shape.heads * headDim]],
      [`${at}.post_attention_layernorm.weight`, [d]],
      [`${at}.mlp.gate_proj.weight`, [ff, d]],
      [`${at}.mlp.up_proj.weight`, [ff, d]],
      [`${at}.mlp.down_proj.weight`, [d, ff]],
    );
  }
  entries.push(['model.norm.weight', [d]]);
  if (!shape.tiedEmbeddings) entries.push(['lm_head.weight', [shape.vocabSize, d]]);
  return layoutOf(entries);
}

/** Lays tensors end to end in the given order. */
export function layoutOf(entries: [name: string, shape: number[]][]): ParameterLayout {
  let offset = 0;
  const slots = entries.map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const slot = { name, shape, offset, size };
    offset += size;
    return slot;
  });
  return { length: offset, slots };
}
