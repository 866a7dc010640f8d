import { join } from 'node:path';
import type { Backend, EngineBatch, EngineRater, FloatArray } from '../backend/types.ts';
import { checkCall, checkFiniteArray, checkInteger, checkLength, checkObject, invalid } from '../check.ts';
import { checkRows, type Batch } from '../data/batch.ts';
import { raterShape } from './architectures/index.ts';
import { readConfig } from './checkpoint.ts';
import type { RaterConfig, RaterSettings } from './config.ts';
import { LanguageModel } from './language-model.ts';
import { FEATURE_WEIGHTS, isHead, partOf, raterLayout } from './layout.ts';
import { ParameterVector } from './parameter-vector.ts';
import { checkFeatures, rowFeatures, wordFlags } from './row-features.ts';
import type { RaterShape } from './shape.ts';
import { checkCreation, TransformerModel, type CallOptions } from './transformer-model.ts';

/** Rows to rate; labels play no part. */
export type RaterBatch = Omit<Batch, 'labels'> & Partial<Pick<Batch, 'labels'>>;

/** How to load a rater. */
export interface RaterLoadOptions extends CallOptions {
  backend: Backend;
  /** Makes a rater of a language model's directory: its backbone with a fresh scalar head. */
  rater?: RaterSettings;
  /** Seed of that head. */
  seed?: number;
}

/** How to rate rows. */
export interface RateOptions extends CallOptions {
  /** What `features` gives for the same rows, so that several calls take them once; default: taken anew. */
  features?: readonly Float64Array[];
}

const REFERENCE = 'reference';

/**
 * A transformer that gives each row a number: score_i = ⟨w, pool_i⟩ + b, where pool_i is the mean of the row's last
 * hidden states (after the final norm), or its last or first token's. Its head is `score_head.weight` [1, hidden] and,
 * with a bias, `score_head.bias` [1]. Packed documents of a row attend to themselves and are pooled together.
 *
 * With features f_k (`config.features`) and z_k = (f_k − mean_k) / deviation_k the score is score_i + √hidden Σ_k
 * (a_k max(z_k, 0) + b_k min(z_k, 0)), with weights a, b in `score_head.features` [2, features]: both too much and too
 * little of a feature may be bad, and √hidden is about what the pooled vector's norm is.
 */
export class SequenceRater extends TransformerModel<RaterConfig, EngineRater> {
  /** The model that features such as `loss` are taken of; the rater's own, as it was at initialization. */
  readonly reference: LanguageModel | undefined;
  readonly #shape: RaterShape;
  readonly #wordStarts: Uint8Array | undefined;

  private constructor(config: RaterConfig, backend: Backend, reference?: LanguageModel) {
    const shape = raterShape(config);
    const layout = raterLayout(config, shape);
    const network = backend.engine.createRater(shape, layout);
    super(config, { backend, layout, network, kind: 'backbone', name: `${config.model_type} rater` });
    this.#shape = shape;
    this.reference = reference;
    const features = config.features ?? [];
    checkFeatures(features, reference, shape.vocabSize);
    this.#wordStarts = wordFlags(features, shape.vocabSize);
  }

  /**
   * A rater with fresh parameters, drawn as those of a language model; its head's weights as any matrix, those of
   * features zero.
   * @param options.reference for features such as `loss`; copied
   */
  static async initialize(
    config: RaterConfig,
    options: CallOptions & { backend: Backend; seed: number; reference?: LanguageModel },
  ): Promise<SequenceRater> {
    checkCreation(options);
    const { backend, reference } = options;
    const seed = checkInteger('seed', options.seed, 0);
    if (reference === undefined) return new SequenceRater(config, backend).#drawn(seed, options.signal);
    if (!(reference instanceof LanguageModel)) throw invalid('reference', 'a LanguageModel', reference);
    const own = await LanguageModel.initialize(reference.config, { backend, seed: 0, signal: options.signal });
    own.parameters.copyFrom(reference.parameters);
    const described = { ...config, reference: reference.config };
    return new SequenceRater(described, backend, own).#drawn(seed, options.signal);
  }

  #drawn(seed: number, signal: AbortSignal | undefined): Promise<this> {
    return this.filled(() => this.draw(this.space.layout, { signal, seed }));
  }

  /**
   * Loads what `savePretrained` wrote, or, with `rater` and `seed`, the backbone of a language model's directory, whose
   * own head is not read.
   * @throws GradfoldError as LanguageModel.fromPretrained; INVALID_ARGUMENT when `rater` is given for a rater's
   * directory or missing for another.
   */
  static async fromPretrained(directory: string, options: RaterLoadOptions): Promise<SequenceRater> {
    checkCreation(options);
    if (options.rater !== undefined) checkObject('rater', options.rater);
    const config = await readConfig(directory);
    const saved = 'pooling' in config;
    if (saved !== (options.rater === undefined)) {
      throw saved
        ? invalid('rater', `no settings (${directory} holds a rater with its own)`, options.rater)
        : invalid('rater', `{causal, pooling, bias} (${directory} holds a language model)`, options.rater);
    }
    const seed = options.rater && checkInteger('seed', options.seed, 0);
    const reference =
      'reference' in config
        ? await LanguageModel.fromPretrained(join(directory, REFERENCE), {
            backend: options.backend,
            signal: options.signal,
          })
        : undefined;
    const rater = new SequenceRater({ ...config, ...options.rater } as RaterConfig, options.backend, reference);
    const { layout } = rater.space;
    return rater.filled(async () => {
      const backbone = partOf(layout, (slot) => seed === undefined || !isHead(slot));
      await rater.read(directory, backbone, { signal: options.signal, kind: 'backbone' });
      if (seed !== undefined) await rater.draw(partOf(layout, isHead), { signal: options.signal, seed });
    });
  }

  /** The score of each row. */
  async score(batch: RaterBatch, options: RateOptions = {}): Promise<Float64Array> {
    const checked = this.#check(batch, options);
    const scores = await this.engine.score(checked, options.signal);
    const weights = this.#featureWeights();
    if (!weights) return scores;
    const features = await this.#featuresOf(checked, options);
    return scores.map((score, i) => features.reduce((sum, values, k) => sum + weights.values[k] * values[i], score));
  }

  /**
   * The vector-Jacobian product Σ_i c_i ∂score_i/∂θ: the gradient of any loss of the scores, given its derivatives c by
   * them.
   * @param scoreGradients one finite number a row
   * @param options.into overwritten with the product and returned; default: a new vector
   */
  async backward(
    batch: RaterBatch,
    scoreGradients: ArrayLike<number>,
    options: RateOptions & { into?: ParameterVector } = {},
  ): Promise<ParameterVector> {
    const checked = this.#check(batch, options);
    checkLength('scoreGradients', scoreGradients, checked.batch, 'one a row');
    checkFiniteArray('scoreGradients', scoreGradients);
    const gradient = options.into ?? this.vector();
    const into = ParameterVector.engineOf(gradient, this.space, 'into', { writable: true });
    await this.engine.backward(checked, Float64Array.from(scoreGradients), into, options.signal);
    const weights = this.#featureWeights();
    if (weights) {
      const features = await this.#featuresOf(checked, options);
      const products = features.map((values) => values.reduce((sum, x, i) => sum + scoreGradients[i] * x, 0));
      into.write(weights.offset, products);
    }
    return gradient;
  }

  /**
   * What the features of rows add to their scores for each weight that is 1, those above the means first: none for a rater
   * without features.
   */
  async features(batch: RaterBatch, options: CallOptions = {}): Promise<Float64Array[]> {
    return this.#features(this.#check(batch, options), options.signal);
  }

  /** As a language model; the reference model goes into the folder `reference` inside. */
  override async savePretrained(directory: string, options: CallOptions & { maxShardBytes?: number } = {}) {
    await super.savePretrained(directory, options);
    await this.reference?.savePretrained(join(directory, REFERENCE), options);
  }

  override dispose(): void {
    super.dispose();
    this.reference?.dispose();
  }

  #featureWeights(): { offset: number; values: FloatArray } | undefined {
    const slot = this.space.layout.slots.find(({ name }) => name === FEATURE_WEIGHTS);
    return slot && { offset: slot.offset, values: this.engine.parameters.read(slot.offset, slot.size) };
  }

  async #featuresOf(rows: EngineBatch, { features, signal }: RateOptions): Promise<readonly Float64Array[]> {
    if (features === undefined) return this.#features(rows, signal);
    checkLength('features', features, 2 * this.config.features!.length, 'two for each of the rater');
    features.forEach((values, k) => checkLength(`features[${k}]`, values, rows.batch, 'one a row'));
    return features;
  }

  async #features(rows: EngineBatch, signal: AbortSignal | undefined): Promise<Float64Array[]> {
    const features = this.config.features ?? [];
    const names = features.map(({ name }) => name);
    const values = await rowFeatures(names, { rows, reference: this.reference, wordStarts: this.#wordStarts, signal });
    const gain = Math.sqrt(this.#shape.hiddenSize);
    const scaled = values.map((of, k) => of.map((x) => (gain * (x - features[k].mean)) / features[k].deviation));
    const above = scaled.map((of) => of.map((x) => Math.max(x, 0)));
    const below = scaled.map((of) => of.map((x) => Math.min(x, 0)));
    return [...above, ...below];
  }

  #check(batch: RaterBatch, options: CallOptions): EngineBatch {
    checkCall('options', options);
    return checkRows(batch, this.#shape);
  }
}
