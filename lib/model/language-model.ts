import type {
  Backend,
  BackwardRequest,
  EngineBatch,
  EngineModel,
  FloatArray,
  SketchRequest,
} from '../backend/types.ts';
import {
  checkArray,
  checkFiniteArray,
  checkInteger,
  checkLength,
  checkOptions,
  invalid,
  type OptionNames,
} from '../check.ts';
import { checkBatch, checkRows, type Batch } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';
import { transformerShape } from './architectures/index.ts';
import { readConfig } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { modelLayout } from './layout.ts';
import { GradientTrace, productVectors } from './gradient-trace.ts';
import { markPositions } from './logit-positions.ts';
import {
  estimateMemory,
  MAX_SKETCH_DIMENSIONS,
  type BatchShape,
  type MemoryEstimate,
  type MemoryOperation,
  type PerSampleMemory,
} from './memory.ts';
import { ExplainingModel } from './out-of-memory.ts';
import { ParameterVector } from './parameter-vector.ts';
import type { TransformerShape } from './shape.ts';
import { checkCreation, TransformerModel, type CallOptions } from './transformer-model.ts';

export interface WeightOptions extends CallOptions {
  /** One finite number a sample; default 1 / samples. They weigh the gradient, not what is reported per sample. */
  weights?: ArrayLike<number>;
}

export interface GradientOptions extends WeightOptions {
  /** Overwritten with the gradient and returned; default: a new vector. */
  into?: ParameterVector;
}

export interface HvpOptions extends WeightOptions {
  /** The product is added to it, and it is returned; default: a new vector. */
  addTo?: ParameterVector;
}

export interface LogitsOptions extends CallOptions {
  /** For each row the positions whose logits are wanted, ascending; default: its last token. */
  positions?: readonly ArrayLike<number>[];
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
  /** R g_i for a seeded random R with E⟨R a, R b⟩ = ⟨a, b⟩, equal on every backend; see SketchRequest. */
  sketch?: SketchRequest;
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
  /** Row-major [samples, dimensions]. */
  sketch?: Float32Array;
  /** Σ_i w_i g_i; where `weights` or `into` was given. */
  gradient?: ParameterVector;
}

const CALL: OptionNames<CallOptions> = { signal: true };
const LOGITS: OptionNames<LogitsOptions> = { ...CALL, positions: true };
const WEIGHED: OptionNames<WeightOptions> = { ...CALL, weights: true };
const GRADIENT: OptionNames<GradientOptions> = { ...WEIGHED, into: true };
const HVP: OptionNames<HvpOptions> = { ...WEIGHED, addTo: true };
const SKETCH: OptionNames<SketchRequest> = { dimensions: true, seed: true };
const PER_SAMPLE: OptionNames<PerSampleRequest> = {
  ...GRADIENT,
  norms: true,
  dots: true,
  gram: true,
  gradients: true,
  sketch: true,
  granularity: true,
};

/**
 * A language model on a backend: a decoder that predicts next tokens, or an encoder that predicts masked ones. The loss
 * ℓ_i of a sample is the mean cross-entropy over its predicted positions (0, with a zero gradient, where there are
 * none); g_i is its gradient.
 */
export class LanguageModel extends TransformerModel<ModelConfig, EngineModel> {
  readonly #shape: TransformerShape;

  private constructor(config: ModelConfig, backend: Backend) {
    const shape = transformerShape(config);
    const layout = modelLayout(config, shape);
    const network = new ExplainingModel(backend.engine.createModel(shape, layout), shape);
    super(config, { backend, layout, network, kind: 'language', name: config.model_type });
    this.#shape = shape;
  }

  /**
   * Loads a Hugging Face model directory: config.json with model.safetensors, or with the files that
   * model.safetensors.index.json names.
   * @throws GradfoldError NOT_FOUND, INVALID_FILE (truncated file; missing, unknown or misshapen tensor), UNSUPPORTED
   * (another architecture or option).
   */
  static async fromPretrained(directory: string, options: CallOptions & { backend: Backend }): Promise<LanguageModel> {
    checkCreation(options);
    const model = new LanguageModel(await readConfig(directory), options.backend);
    return model.filled(() => model.read(directory, model.space.layout, { signal: options.signal, kind: 'language' }));
  }

  /**
   * A model with fresh parameters, as transformers draws them: matrices normal(0, config.initializer_range), norm gains
   * one, biases zero; a function of the seed and the tensors' names, equal on every backend.
   */
  static async initialize(
    config: ModelConfig,
    options: CallOptions & { backend: Backend; seed: number },
  ): Promise<LanguageModel> {
    checkCreation(options);
    const seed = checkInteger('seed', options.seed, 0);
    const model = new LanguageModel(config, options.backend);
    return model.filled(() => model.draw(model.space.layout, { signal: options.signal, seed }));
  }

  /** What the labels of a batch are: the next token of each position, or what a mask hides. */
  get objective(): 'next-token' | 'masked-token' {
    return this.#shape.objective;
  }

  /**
   * @internal For code whose rows are their own labels.
   * @throws GradfoldError UNSUPPORTED for a model of masked tokens
   */
  checkPredictsNext(caller: string): void {
    if (this.objective === 'next-token') return;
    throw new GradfoldError(
      'UNSUPPORTED',
      `${caller}: expected a model that predicts the next token, got ${this.config.model_type}, whose rows need masks`,
    );
  }

  /** Loss of each row, and their plain mean. */
  async loss(batch: Batch, options: CallOptions = {}): Promise<{ mean: number; perSample: Float64Array }> {
    const perSample = await this.engine.loss(this.#check(batch, options, CALL), options.signal);
    return { mean: perSample.reduce((sum, loss) => sum + loss, 0) / perSample.length, perSample };
  }

  /**
   * The logits of the tokens that could come next: what the softmax over the vocabulary is taken of. Of a model of masked
   * tokens, those of the position itself. Labels play no part.
   * @returns one array of vocab_size numbers a position, row by row; Float64Array on the reference backend, else
   *   Float32Array
   * @throws GradfoldError INVALID_ARGUMENT naming a row without tokens, or a position that is padding or out of order
   */
  async logits(batch: Omit<Batch, 'labels'>, options: LogitsOptions = {}): Promise<FloatArray[]> {
    checkOptions('options', options, LOGITS);
    const checked = markPositions(checkRows(batch, this.#shape), options.positions);
    const logits = await this.engine.logits(checked, options.signal);
    const { vocabSize } = this.#shape;
    return Array.from({ length: logits.length / vocabSize }, (_, i) =>
      logits.subarray(i * vocabSize, (i + 1) * vocabSize),
    );
  }

  /** Loss of each row, and Σ_i w_i g_i. */
  async gradient(
    batch: Batch,
    options: GradientOptions = {},
  ): Promise<{ perSample: Float64Array; gradient: ParameterVector }> {
    const checked = this.#check(batch, options, GRADIENT);
    const { request, gradient } = this.#backwardRequest(checked, options, true);
    const { losses } = await this.engine.backward(checked, request, options.signal);
    return { perSample: losses, gradient: gradient! };
  }

  /**
   * @internal `gradient`, and a trace of it: the same row's derivatives along a vector, at the same parameters and weights, for
   * fewer matrix products. It is valid until the model makes another.
   * @param keep what the trace is for: 'jvp' keeps activations, 'hvp' the gradients of some as well
   */
  async tracedGradient(
    batch: Batch,
    options: GradientOptions & { keep: 'jvp' | 'hvp' },
  ): Promise<{ perSample: Float64Array; gradient: ParameterVector; trace: GradientTrace }> {
    const { keep, ...rest } = options;
    const checked = this.#check(batch, rest, GRADIENT);
    const { request, gradient } = this.#backwardRequest(checked, rest, true);
    const { losses, trace } = await this.engine.backward(checked, { ...request, keep }, rest.signal);
    return { perSample: losses, gradient: gradient!, trace: new GradientTrace(this.space, trace!) };
  }

  /**
   * Statistics of each sample's own gradient in one forward-backward pass, without holding samples × parameters
   * numbers unless `gradients` asks for them.
   */
  async perSample(batch: Batch, request: PerSampleRequest): Promise<PerSampleResult> {
    checkOptions('request', request, PER_SAMPLE);
    const checked = checkBatch(batch, this.#shape, request.granularity);
    const wanted = request.weights !== undefined || request.into !== undefined;
    const { request: backward, gradient } = this.#backwardRequest(checked, request, wanted);
    if (request.dots !== undefined) checkArray('dots', request.dots);
    const dots = request.dots?.map((vector, k) => ParameterVector.engineOf(vector, this.space, `dots[${k}]`));
    if (dots && backward.into && dots.includes(backward.into)) {
      throw invalid('into', 'a vector other than those of dots', 'one of them');
    }
    const { norms, gram, gradients: wantGradients } = request;
    const sketch = request.sketch === undefined ? undefined : checkSketch(request.sketch);
    const result = await this.engine.backward(
      checked,
      { ...backward, norms, dots, gram, gradients: wantGradients, sketch },
      request.signal,
    );
    return {
      losses: result.losses,
      ...(result.norms && { norms: result.norms }),
      ...(result.dots && { dots: result.dots }),
      ...(result.gram && { gram: result.gram }),
      ...(result.sketch && { sketch: result.sketch }),
      ...(result.gradients && { gradients: result.gradients.map((g) => new ParameterVector(this.space, g)) }),
      ...(gradient && { gradient }),
    };
  }

  /**
   * The directional derivative of each row's loss: jvp[i] = ⟨g_i, v⟩, by forward differentiation alone. Nothing is kept for a
   * backward pass, so it takes far less memory than `perSample` with `dots`.
   */
  async jvp(batch: Batch, v: ParameterVector, options: CallOptions = {}): Promise<{ jvp: Float64Array }> {
    const checked = this.#check(batch, options, CALL);
    const tangent = ParameterVector.engineOf(v, this.space, 'v');
    return { jvp: await this.engine.jvp(checked, tangent, options.signal) };
  }

  /**
   * One dual pass along v: jvp[i] = ⟨g_i, v⟩ and hvp = (Σ_i w_i ∇²ℓ_i) v (Pearlmutter 1994), samples being rows.
   */
  async hvp(
    batch: Batch,
    v: ParameterVector,
    options: HvpOptions = {},
  ): Promise<{ jvp: Float64Array; hvp: ParameterVector }> {
    const checked = this.#check(batch, options, HVP);
    const weights = resolveWeights(options.weights, checked.samples);
    const hvp = options.addTo ?? this.vector();
    const { tangent, sum } = productVectors(this.space, v, hvp);
    const jvp = await this.engine.hvp(checked, tangent, weights, sum, options.signal);
    return { jvp, hvp };
  }

  /**
   * Peak bytes of an operation on a batch of a shape, found without computing: `model.memory({ batch: 8, time: 512 },
   * 'perSample', { norms: true, dots: 2 })`.
   * @throws GradfoldError UNSUPPORTED on the reference backend
   */
  memory(shape: BatchShape, operation: MemoryOperation = 'gradient', request: PerSampleMemory = {}): MemoryEstimate {
    return estimateMemory(this.engine, this.#shape, shape, operation, request);
  }

  #check<Options extends CallOptions>(batch: Batch, options: Options, known: OptionNames<Options>): EngineBatch {
    checkOptions('options', options, known);
    return checkBatch(batch, this.#shape);
  }

  #backwardRequest(
    batch: EngineBatch,
    options: GradientOptions,
    wanted: boolean,
  ): { request: BackwardRequest; gradient?: ParameterVector } {
    const weights = resolveWeights(options.weights, batch.samples);
    if (!wanted) return { request: { weights } };
    const gradient = options.into ?? this.vector();
    const into = ParameterVector.engineOf(gradient, this.space, 'into', { writable: true });
    return { request: { weights, into }, gradient };
  }
}

function resolveWeights(weights: ArrayLike<number> | undefined, samples: number): Float64Array {
  if (weights === undefined) return new Float64Array(samples).fill(1 / samples);
  checkLength('weights', weights, samples, 'one a sample');
  checkFiniteArray('weights', weights);
  return Float64Array.from(weights);
}

function checkSketch(sketch: SketchRequest): SketchRequest {
  checkOptions('sketch', sketch, SKETCH);
  const { dimensions, seed } = sketch;
  return {
    dimensions: checkInteger('sketch.dimensions', dimensions, 1, MAX_SKETCH_DIMENSIONS),
    seed: checkInteger('sketch.seed', seed, 0),
  };
}
