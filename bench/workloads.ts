import { collate, type AdamwConfig, type Batch, type LlamaConfig } from 'gradfold';

/** A model and batch shape that figures are quoted for; the same shapes as the usual PyTorch comparisons. */
export interface Workload {
  name: string;
  config: LlamaConfig;
  batch: number;
  /** Predicted positions a row; rows hold one token more. */
  time: number;
  /** The products of its layers as [m, n, k], for the ceiling. */
  products: [m: number, n: number, k: number][];
}

function workload(name: string, config: LlamaConfig, batch: number, time: number): Workload {
  const tokens = batch * time;
  const { hidden_size: d, intermediate_size: ff, vocab_size: vocabulary } = config;
  return {
    name,
    config,
    batch,
    time,
    products: [
      [tokens, 3 * d, d],
      [tokens, 2 * ff, d],
      [tokens, d, ff],
      [Math.min(tokens, Math.floor((64 << 20) / (4 * vocabulary))), vocabulary, d],
    ],
  };
}

/** `tiny` (6 million parameters) and `m160` (the 160M Mistral shape of DELT). */
export const WORKLOADS: Record<'tiny' | 'm160', Workload> = {
  tiny: workload('tiny', decoder({ vocabulary: 4096, hidden: 256, layers: 4, heads: 4, ff: 704 }), 16, 256),
  m160: workload('m160', decoder({ vocabulary: 32000, hidden: 768, layers: 12, heads: 12, ff: 3072 }), 4, 512),
};

/** A workload's model on batches of another shape. */
export const resized = ({ name, config }: Workload, batch: number, time: number): Workload =>
  workload(name, config, batch, time);

/** The optimizer of every training step here. */
export const ADAMW: AdamwConfig = { kind: 'adamw', lr: 3e-4, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1 };

export function decoder(size: {
  vocabulary: number;
  hidden: number;
  layers: number;
  heads: number;
  ff: number;
}): LlamaConfig {
  return {
    model_type: 'llama',
    vocab_size: size.vocabulary,
    hidden_size: size.hidden,
    intermediate_size: size.ff,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    tie_word_embeddings: false,
    rms_norm_eps: 1e-5,
  };
}

/** A batch of ids drawn by Zipf's law, every position predicted. */
export function zipfBatch({ config, batch, time }: Pick<Workload, 'config' | 'batch' | 'time'>, seed = 0): Batch {
  const cumulative = new Float64Array(config.vocab_size);
  let total = 0;
  for (let id = 0; id < cumulative.length; id++) cumulative[id] = total += 1 / (id + 1);
  let state = seed + 1;
  const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const draw = () => {
    const target = uniform() * total;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return collate(Array.from({ length: batch }, () => ({ inputIds: Int32Array.from({ length: time + 1 }, draw) })));
}

/** Floating-point operations of the products of one training step: 6 a weight and token, attention at half of T². */
export function stepFlops({ config, batch, time }: Workload, parameterCount: number): number {
  const tokens = batch * time;
  const matrices = parameterCount - config.vocab_size * config.hidden_size;
  return 6 * matrices * tokens + 6 * config.num_hidden_layers * config.hidden_size * time * tokens;
}
