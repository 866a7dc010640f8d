import type { Batch } from '../data/batch.ts';
import type { ParameterLayout } from '../model/layout.ts';
import type { RaterShape, TransformerShape } from '../model/shape.ts';

export type BackendName = 'reference' | 'cpu' | 'cuda';

/** What is known of a backend on this machine, whether or not it can be opened. */
export interface BackendInfo {
  name: BackendName;
  available: boolean;
  /** Why it is not available, and the one command that mends it. */
  reason?: string;
  device?: string;
  /** Instruction set chosen at run time: 'avx512', 'avx2', 'baseline'; of a CUDA device: 'sm_90'. */
  isa?: string;
  threads?: number;
  /**
   * What does matrix products: 'AMX', 'AVX512-BF16', 'oneDNN 2.6.3', 'portable', 'typescript'. Of an open backend in its
   * own precision, else of float32.
   */
  gemm?: string;
  /** The same for precision 'bf16', where the backend has it. */
  gemmBf16?: string;
  /** Bytes of memory of the device. */
  memory?: number;
  /** cuda: the CUDA version that the driver supports ('none' without a driver), and that of the addon's runtime. */
  driver?: string;
  runtime?: string;
}

export interface BackendOptions {
  /** Compute threads; default: all cores. The reference backend always uses one. */
  threads?: number;
  /** cuda: which device, from 0. */
  device?: number;
  /** Precision of matrix products and stored activations. Parameters stay float32. */
  precision?: 'f32' | 'bf16';
  /**
   * cpu, cuda: a backward pass keeps the input of each transformer block alone and computes the block's activations again
   * when it comes to it (gradient checkpointing; Chen et al. 2016). The same numbers for less memory and a third more
   * time. Default: false.
   */
  recompute?: boolean;
  /**
   * cpu: forces a matrix product; default: the best for the precision (float32: oneDNN when built in; bfloat16: AMX tiles
   * where the processor has them, then AVX512-BF16 vectors, then oneDNN). Two more multiply float32 on AMX tiles, as
   * products of bfloat16 parts: 'bf16x6' to float32's own precision, 'bf16x3' to 16 bits of a term (at most 2⁻¹⁵ of it
   * is lost), faster.
   */
  gemm?: 'amx' | 'avx512bf16' | 'onednn' | 'portable' | 'bf16x3' | 'bf16x6';
  /** cpu: forces an instruction set; default: the widest this processor has. */
  isa?: 'avx512' | 'avx2' | 'baseline';
}

/** c = op(a) op(b), c [m × n], inner dimension k. */
export interface ProductShape {
  m: number;
  n: number;
  k: number;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** An opened compute backend; models, vectors and optimizers live on it. */
export interface Backend {
  readonly name: BackendName;
  readonly precision: 'f32' | 'bf16';
  readonly info: BackendInfo;
  /** @internal what lib/model drives */
  readonly engine: Engine;
  /** Frees threads and device memory. Models of this backend reject every later call with DISPOSED. */
  dispose(): void;
}

export type FloatArray = Float32Array | Float64Array;

// ---- what a backend implements ------------------------------------------------------------------------------------
// lib/model validates everything before it reaches these interfaces; implementations may assert, not explain.
// Calls on one engine take effect in the order in which they were made, synchronous ones included.

export interface Engine {
  /** Seconds of one matrix product after an untimed one; absent where products are not what limits the engine. */
  measureProduct?(shape: ProductShape): Promise<number>;
  /** Ordering and weights in the device's own memory; absent where that is the process's. */
  readonly rows?: DeviceRows;
  createModel(shape: TransformerShape, layout: ParameterLayout): EngineModel;
  createRater(shape: RaterShape, layout: ParameterLayout): EngineRater;
  /** Per-sample statistics of a layer that is not gradfold's. The arrays are read before the call returns. */
  perSampleLinear(problem: LinearProblem, request: LinearRequest, signal?: AbortSignal): Promise<LinearResult>;
}

/** What went into a linear layer y = x Wᵀ, W [outFeatures × inFeatures], and what came back. Row-major. */
export interface LinearProblem {
  /** x [batch, time, inFeatures] */
  activations: FloatArray;
  /** ∂ℓ/∂y [batch, time, outFeatures] */
  outputGradients: FloatArray;
  batch: number;
  time: number;
  inFeatures: number;
  outFeatures: number;
}

export interface LinearRequest {
  /** [batch], for the gradient. */
  weights: Float64Array;
  gradient: boolean;
  norms: boolean;
  /** Vectors of outFeatures × inFeatures numbers. */
  dots: readonly FloatArray[];
  gram: boolean;
  gradients: boolean;
}

export interface LinearResult {
  norms?: Float64Array;
  dots: Float64Array[];
  gram?: Float64Array;
  /** [batch, outFeatures, inFeatures] */
  gradients?: FloatArray;
  /** [outFeatures, inFeatures] */
  gradient?: FloatArray;
}

/** How scores [n] are sorted, and how the sorted rows are given out. */
export interface SortForm {
  descending: boolean;
  /** Only the highest so many, the last of the stable ascending order; 0 ≤ keep ≤ n. */
  keep: number;
  /** Folds the sorted rows; 1 leaves them as they are. */
  layers: number;
}

/** Seconds by the device's own events. */
export interface SortSeconds {
  /** Of the scores to the device. */
  upload: number;
  /** Of all that is done there: keys, sorting, folding. */
  sort: number;
  /** Of the rows from the device. */
  download: number;
  /** Of copying one key a row from one place in the device's memory to another. */
  copy: number;
}

/**
 * Rows of the host's arrays, worked on by a device: they go there and the result comes back. Resolves to the result, or
 * to the index of the value that is refused. Arrays must not change until then.
 */
export interface DeviceRows {
  sort(scores: FloatArray, form: SortForm, signal?: AbortSignal): Promise<Uint32Array | number>;
  /** The same with what it took. */
  measureSort(
    scores: FloatArray,
    form: SortForm,
    signal?: AbortSignal,
  ): Promise<(SortSeconds & { rows: Uint32Array }) | number>;
  softmaxWeights(
    scores: FloatArray,
    groups: Int32Array | undefined,
    temperature: number,
    into?: Float64Array,
    signal?: AbortSignal,
  ): Promise<Float64Array | number>;
  /** An index of n or more is one of weightGradients, n further on. */
  softmaxWeightsBackward(
    weights: Float64Array,
    weightGradients: Float64Array,
    groups: Int32Array | undefined,
    temperature: number,
    into?: Float64Array,
    signal?: AbortSignal,
  ): Promise<Float64Array | number>;
}

/** A dense vector of `length` parameters on the backend. */
export interface EngineVector {
  readonly length: number;
  copy(): EngineVector;
  fill(x: number): void;
  copyFrom(x: EngineVector): void;
  scale(a: number): void;
  /** this += a x */
  axpy(a: number, x: EngineVector): void;
  /** float64 accumulation */
  dot(x: EngineVector): number;
  /** Copies [offset, offset + length) out; Float64Array on the reference backend, Float32Array elsewhere. */
  read(offset: number, length: number): FloatArray;
  write(offset: number, values: ArrayLike<number>): void;
  /**
   * this ← this − lr·s·g with s = min(1, clipNorm/(‖g‖+1e-6)); resolves to ‖g‖ before clipping. When ‖g‖ is not finite,
   * nothing is updated (adamwStep: neither are m and v).
   */
  sgdStep(gradient: EngineVector, step: SgdStep): Promise<number>;
  /** AdamW with decoupled weight decay on all parameters (fixture `optim`); resolves to ‖g‖ before clipping. */
  adamwStep(gradient: EngineVector, m: EngineVector, v: EngineVector, step: AdamwStep): Promise<number>;
  /**
   * this ← this / (√v̂ + eps), v̂ = (β₂v + (1−β₂)·this²) / (1 − β₂ᵗ) with t = step.step: as `adamwStep` would scale this
   * vector if it were the gradient.
   */
  adamwMetric(v: EngineVector, step: AdamwStep): Promise<void>;
  /**
   * The reverse of `theta.sgdStep(gradient, step)` for a scalar L of the updated θ: `this` is ∂L/∂θ, after the step and
   * before it; `gradient`, which that step was given, is overwritten with ∂L/∂g.
   */
  sgdAdjoint(gradient: EngineVector, step: SgdStep): Promise<void>;
  /**
   * The reverse of `theta.adamwStep(gradient, m, v, step)` for a scalar L of the updated θ, m and v. `this` is ∂L/∂θ after
   * the step, and becomes that before it. `gradient`, `m` and `v` are as that step was given them, and are overwritten
   * with ∂L by each of them. `after`: ∂L by the updated m and v, where it is not zero.
   */
  adamwAdjoint(
    gradient: EngineVector,
    m: EngineVector,
    v: EngineVector,
    step: AdamwStep,
    after?: { m: EngineVector; v: EngineVector },
  ): Promise<void>;
  dispose(): void;
}

/** A validated batch plus what a "sample" means in it. */
export interface EngineBatch extends Batch {
  /** Always present here: 1 = token, 0 = padding (right padding only). */
  attentionMask: Uint8Array;
  /** 'document': each (row, document id) is a sample, in row order; otherwise each row is. */
  granularity: 'row' | 'document';
  /** Number of samples under that granularity. */
  samples: number;
}

/**
 * A random projection of sample gradients to k = `dimensions` numbers, R of independent fair signs / √k for each tensor,
 * shares summed over tensors (Achlioptas 2003). Of a matrix W [rows × columns], as stored, with k = a·b and a the largest divisor of k
 * with a ≤ √k: share[p·b + q] = Σ P[r, p] g[r, c] Q[c, q] / √k, P [rows × a] and Q [columns × b] (a Kronecker product,
 * Choe et al. 2024). Of a vector [n], or a matrix of one row: share[p] = Σ P[r, p]
 * g[r] / √k, P [n × k]. P is stream 2s and Q stream 2s + 1 of `randomSigns`, row-major, s = streamOf(tensor name).
 */
export interface SketchRequest {
  dimensions: number;
  seed: number;
}

export interface BackwardRequest {
  /** One weight a sample. */
  weights: Float64Array;
  /** Overwritten with the weighted sum of sample gradients, when given. */
  into?: EngineVector;
  norms?: boolean;
  dots?: EngineVector[];
  gram?: boolean;
  gradients?: boolean;
  sketch?: SketchRequest;
  /** A trace for that pass is wanted; not with per-sample statistics. */
  keep?: 'jvp' | 'hvp';
}

export interface BackwardResult {
  losses: Float64Array;
  /** ‖g_i‖₂ [samples] */
  norms?: Float64Array;
  /** dots[k][i] = ⟨g_i, v_k⟩ */
  dots?: Float64Array[];
  /** ⟨g_i, g_j⟩, row-major [samples, samples] */
  gram?: Float64Array;
  gradients?: EngineVector[];
  /** Row-major [samples, dimensions]. */
  sketch?: Float32Array;
  /** Where `keep` asked for it. */
  trace?: EngineTrace;
}

/**
 * What a backward pass computed, for dual passes over its batch with its weights at its parameters: they need not repeat
 * its matrix products. A model has one at a time; a backward pass that keeps takes the place of the last one. Kept for
 * 'jvp', a Hessian product repeats some.
 */
export interface EngineTrace {
  /** As EngineModel.jvp. */
  jvp(v: EngineVector, signal?: AbortSignal): Promise<Float64Array>;
  /** As EngineModel.hvp. */
  hvp(v: EngineVector, sum: EngineVector, signal?: AbortSignal): Promise<Float64Array>;
  /** The memory waits for the model's next trace. */
  dispose(): void;
}

/** A pass whose memory is asked for; as BackwardRequest, with numbers in the place of vectors. */
export interface MemoryRequest {
  operation: 'loss' | 'backward' | 'jvp' | 'hvp';
  gradient?: boolean;
  norms?: boolean;
  dots?: number;
  gram?: boolean;
  gradients?: boolean;
  /** Dimensions. */
  sketch?: number;
  /** Of a JVP or Hessian product: that it has a trace of its backward pass. */
  keep?: 'jvp' | 'hvp';
}

/** Parameters on a backend, and the vectors beside them. */
export interface EngineNetwork {
  /** The live parameters. */
  readonly parameters: EngineVector;
  zeros(): EngineVector;
  dispose(): void;
}

export interface EngineModel extends EngineNetwork {
  /** Mean cross-entropy of each sample over its predicted positions; 0 for a sample that predicts nothing. */
  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array>;
  /**
   * What the softmax is taken of at every position that has a label, whatever it is, [positions, vocabSize], row by row;
   * nothing is shifted.
   */
  logits(batch: EngineBatch, signal?: AbortSignal): Promise<FloatArray>;
  backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult>;
  /** ⟨g_i, v⟩ per sample. */
  jvp(batch: EngineBatch, v: EngineVector, signal?: AbortSignal): Promise<Float64Array>;
  /** `sum` += (Σ_i w_i ∇²ℓ_i) v, v being another vector; resolves to ⟨g_i, v⟩ per sample. */
  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    sum: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array>;
  /** Bytes of the model's own parameters, of one pass, and of the threads' scratch; absent where it is not planned. */
  memory?(batch: EngineBatch, request: MemoryRequest): { parameters: number; activations: number; workspace: number };
}

export interface EngineRater extends EngineNetwork {
  /** A score for each row; labels play no part. */
  score(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array>;
  /** `into` is overwritten with Σ_i c_i ∂score_i/∂θ, c one a row; resolves to the scores. */
  backward(
    batch: EngineBatch,
    scoreGradients: Float64Array,
    into: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array>;
}

export interface SgdStep {
  lr: number;
  /** Infinity: no clipping. */
  clipNorm: number;
}

export interface AdamwStep extends SgdStep {
  betas: [number, number];
  eps: number;
  weightDecay: number;
  /** 1 for the first update: the exponent of the bias corrections. */
  step: number;
}
