import type { Backend, BackwardRequest, EngineBatch, EngineModel } from '../backend/types.ts';
import { checkFinite, checkFiniteArray, checkInteger, checkLength, invalid } from '../check.ts';
import { checkBatch, type Batch } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';
import { readConfig, readWeights, writeCheckpoint } from './checkpoint.ts';
import { decoderShape, type DecoderShape, type ModelConfig } from './config.ts';
import { initializeParameters } from './initialize.ts';
import { decoderLayout } from './layout.ts';
import { ParameterVector, type ParameterSpace } from './parameter-vector.ts';
import { release, releaseWhenCollected } from './release.ts';

export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  signal?: AbortSignal;
}

export interface WeightOptions extends CallOptions {
  /** One finite number a sample; default 1 / samples. They weigh the gradient, not what is reported per sample. */
  weights?: ArrayLike<number>;
}

export interface GradientOptions extends WeightOptions {
  /** Overwritten with the gradient and returned; default: a new vector. */
  into?: ParameterVector;
}

export interface PerSampleRequest extends GradientOptions {
  /** ‖g_i‖₂ */
  norms?: boolean;
  /** ⟨g_i, v_k⟩ for each of these v_k. */
  dots?: readonly ParameterVector[];
  /** ⟨g_i, g_j⟩ for all pairs. */
  gram?: boolean;
  /** The g_i themselves: as many vectors of the model's size as there are samples. */
  gradients?: boolean;
  /** What a sample is: a row (default), or a document of a packed row. */
  granularity?: 'row' | 'document';
}

export interface PerSampleResult {
  /** ℓ_i [samples] */
  losses: Float64Array;
  /** [samples] */
  norms?: Float64Array;
  /** dots[k][i] = ⟨g_i, v_k⟩ */
  dots?: Float64Array[];
  /** Row-major [samples, samples]. */
  gram?: Float64Array;
  gradients?: ParameterVector[];
  /** Σ_i w_i g_i; where `weights` or `into` was given. */
  gradient?: ParameterVector;
}

/**
 * A decoder-only language model on a backend. The loss ℓ_i of a sample is the mean cross-entropy over its predicted
 * positions (0, with a zero gradient, where there are none); g_i is its gradient.
 */
export class LanguageModel {
  readonly config: ModelConfig;
  /** The live parameters: writing to them changes the model. */
  readonly parameters: ParameterVector;
  readonly #space: ParameterSpace;
  readonly #shape: DecoderShape;
  readonly #model: EngineModel;
  #disposed = false;

  private constructor(config: ModelConfig, backend: Backend) {
    this.config = config;
    this.#shape = decoderShape(config);
    this.#space = { backend, layout: decoderLayout(this.#shape), name: config.model_type };
    this.#model = backend.engine.createModel(this.#shape, this.#space.layout);
    this.parameters = new ParameterVector(this.#space, this.#model.parameters, this);
    releaseWhenCollected(this, this.#model);
  }

  /**
   * Loads a Hugging Face model directory: config.json with model.safetensors, or with the files that
   * model.safetensors.index.json names.
   * @throws GradfoldError NOT_FOUND, INVALID_FILE (truncated file; missing, unknown or misshapen tensor), UNSUPPORTED
   * (another architecture or option).
   */
  static async fromPretrained(directory: string, options: CallOptions & { backend: Backend }): Promise<LanguageModel> {
    const model = new LanguageModel(await readConfig(directory), options.backend);
    return model.#filled(() =>
      readWeights(directory, model.#space.layout, model.#model.parameters, {
        tiedEmbeddings: model.#shape.tiedEmbeddings,
        signal: options.signal,
      }),
    );
  }

  /**
   * A model with fresh parameters: matrices normal(0, config.initializer_range), norm weights one; a function of the
   * seed and the tensors' names, equal on every backend.
   */
  static async initialize(
    config: ModelConfig,
    options: CallOptions & { backend: Backend; seed: number },
  ): Promise<LanguageModel> {
    const seed = checkInteger('seed', options.seed, 0);
    const standardDeviation = checkFinite('initializer_range', config.initializer_range ?? 0.02, { min: 0 });
    const model = new LanguageModel(config, options.backend);
    return model.#filled(() =>
      initializeParameters(model.#model.parameters, model.#space.layout, {
        seed,
        standardDeviation,
        signal: options.signal,
      }),
    );
  }

  /**
   * Writes config.json and the weights in float32, so that Hugging Face transformers loads them: a new directory
   * appears complete or not at all, files of an existing one are replaced.
   * @param options.maxShardBytes weights above this go into several files with an index; default 4 GiB
   * @throws GradfoldError IO naming the directory (disk full, no permission).
   */
  async savePretrained(directory: string, options: CallOptions & { maxShardBytes?: number } = {}): Promise<void> {
    await writeCheckpoint(directory, this.config, this.#alive().parameters.tensorSources(), options);
  }

  get parameterCount(): number {
    return this.#space.layout.length;
  }

  /**
   * A new vector over the model's parameters: zeros, or the given tensors.
   * @throws GradfoldError INVALID_ARGUMENT naming a missing or unknown tensor, or one of another size.
   */
  vector(init?: Readonly<Record<string, Float32Array | Float64Array>>): ParameterVector {
    const vector = new ParameterVector(this.#space, this.engine.zeros());
    if (init) vector.setFrom(init);
    return vector;
  }

  /** Loss of each row, and their plain mean. */
  async loss(batch: Batch, options: CallOptions = {}): Promise<{ mean: number; perSample: Float64Array }> {
    const perSample = await this.engine.loss(this.#check(batch, options), options.signal);
    return { mean: perSample.reduce((sum, loss) => sum + loss, 0) / perSample.length, perSample };
  }

  /** Loss of each row, and Σ_i w_i g_i. */
  async gradient(
    batch: Batch,
    options: GradientOptions = {},
  ): Promise<{ perSample: Float64Array; gradient: ParameterVector }> {
    const checked = this.#check(batch, options);
    const { request, gradient } = this.#backwardRequest(checked, options, true);
    const { losses } = await this.engine.backward(checked, request, options.signal);
    return { perSample: losses, gradient: gradient! };
  }

  /**
   * Statistics of each sample's own gradient in one forward-backward pass, without holding samples × parameters
   * numbers unless `gradients` asks for them.
   */
  async perSample(batch: Batch, request: PerSampleRequest): Promise<PerSampleResult> {
    if ('sketch' in request && request.sketch !== undefined) {
      throw new GradfoldError('UNSUPPORTED', 'perSample: sketch is not supported');
    }
    const checked = this.#check(batch, request, request.granularity);
    const wanted = request.weights !== undefined || request.into !== undefined;
    const { request: backward, gradient } = this.#backwardRequest(checked, request, wanted);
    const dots = request.dots?.map((vector, k) => vector.within(this.#space, `dots[${k}]`));
    if (dots && backward.into && dots.includes(backward.into)) {
      throw invalid('into', 'a vector other than those of dots', 'one of them');
    }
    const { norms, gram, gradients: wantGradients } = request;
    const { gradients, ...result } = await this.engine.backward(
      checked,
      { ...backward, norms, dots, gram, gradients: wantGradients },
      request.signal,
    );
    return {
      ...result,
      ...(gradients && { gradients: gradients.map((g) => new ParameterVector(this.#space, g)) }),
      ...(gradient && { gradient }),
    };
  }

  /**
   * One dual pass along v: jvp[i] = ⟨g_i, v⟩ and hvp = (Σ_i w_i ∇²ℓ_i) v (Pearlmutter 1994), samples being rows.
   */
  async hvp(
    batch: Batch,
    v: ParameterVector,
    options: WeightOptions = {},
  ): Promise<{ jvp: Float64Array; hvp: ParameterVector }> {
    const checked = this.#check(batch, options);
    const weights = resolveWeights(options.weights, checked.samples);
    const tangent = v.within(this.#space, 'v');
    const hvp = this.vector();
    const jvp = await this.engine.hvp(checked, tangent, weights, hvp.engine, options.signal);
    return { jvp, hvp };
  }

  /** Frees the model's memory; also done by garbage collection. Vectors made by it stay usable. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    release(this, this.#model);
  }

  /** @internal the backend's model */
  get engine(): EngineModel {
    return this.#alive().#model;
  }

  /** @internal */
  get space(): ParameterSpace {
    return this.#space;
  }

  #alive(): this {
    if (this.#disposed) throw new GradfoldError('DISPOSED', 'this model was disposed of');
    return this;
  }

  /** The model once its parameters are there; its memory is freed when they cannot be. */
  async #filled(fill: () => Promise<void>): Promise<LanguageModel> {
    try {
      await fill();
      return this;
    } catch (cause) {
      this.dispose();
      throw cause;
    }
  }

  #check(batch: Batch, { signal }: CallOptions, granularity?: 'row' | 'document'): EngineBatch {
    signal?.throwIfAborted();
    return checkBatch(batch, this.#shape.vocabSize, granularity);
  }

  #backwardRequest(
    batch: EngineBatch,
    options: GradientOptions,
    wanted: boolean,
  ): { request: BackwardRequest; gradient?: ParameterVector } {
    const weights = resolveWeights(options.weights, batch.samples);
    if (!wanted) return { request: { weights } };
    const gradient = options.into ?? this.vector();
    const into = gradient.within(this.#space, 'into');
    if (into === this.#model.parameters) throw invalid('into', 'a vector of its own', "the model's parameters");
    return { request: { weights, into }, gradient };
  }
}

function resolveWeights(weights: ArrayLike<number> | undefined, samples: number): Float64Array {
  if (weights === undefined) return new Float64Array(samples).fill(1 / samples);
  checkLength('weights', weights, samples, 'one a sample');
  checkFiniteArray('weights', weights);
  return Float64Array.from(weights);
}
