/** A configuration resolved to what an engine needs: defaults filled in, every number checked. */
export interface TransformerShape {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  /** Key-value heads; `heads` unless queries share them. */
  kvHeads: number;
  headDim: number;
  norm: 'rms' | 'layer';
  normEps: number;
  /** Whether a norm stands before attention and MLP, or after each of them and its residual sum. */
  normPlacement: 'pre' | 'post';
  activation: 'swiglu' | 'gelu' | 'gelu_new';
  /** Projections are stored [in, out] (GPT-2's Conv1D) instead of [out, in]. */
  inputMajor: boolean;
  /** masked-token: labels are not shifted. */
  objective: 'next-token' | 'masked-token';
  causal: boolean;
  /** Position t sees s when t − window < s ≤ t, or when |t − s| < window if not causal; null: no such limit. */
  slidingWindow: number | null;
  /** Rotary angle per position of each dimension pair [headDim / 2]; empty without rotary positions. */
  inverseFrequencies: Float64Array;
  /** Rows of the position table; 0 without one. */
  learnedPositions: number;
  /** Rows of the token-type table; 0 without one. */
  tokenTypes: number;
  tiedEmbeddings: boolean;
}

/** Which positions of a row make up its pooled vector: their mean, or its last or first token's. */
export type Pooling = 'mean' | 'last' | 'first';

/** A transformer whose pooled output goes through a scalar head; it has no objective of its own. */
export interface RaterShape extends TransformerShape {
  pooling: Pooling;
}
