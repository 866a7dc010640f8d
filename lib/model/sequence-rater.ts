import type { Backend, EngineBatch, EngineRater } from '../backend/types.ts';
import { checkCall, checkFiniteArray, checkInteger, checkLength, checkObject, invalid } from '../check.ts';
import { checkRows, type Batch } from '../data/batch.ts';
import { raterShape } from './architectures/index.ts';
import { readConfig } from './checkpoint.ts';
import type { RaterConfig, RaterSettings } from './config.ts';
import { partOf, raterLayout, type ParameterSlot } from './layout.ts';
import { ParameterVector } from './parameter-vector.ts';
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

/** Whether a tensor of a rater's is its head's, not its backbone's. */
export const isHead = ({ name }: ParameterSlot): boolean => name.startsWith('score_head.');

/**
 * A transformer that gives each row a number: score_i = ⟨w, pool_i⟩ + b, where pool_i is the mean of the row's last
 * hidden states (after the final norm), or its last or first token's. Its head is `score_head.weight` [1, hidden] and,
 * with a bias, `score_head.bias` [1]. Packed documents of a row attend to themselves and are pooled together.
 */
export class SequenceRater extends TransformerModel<RaterConfig, EngineRater> {
  readonly #shape: RaterShape;

  private constructor(config: RaterConfig, backend: Backend) {
    const shape = raterShape(config);
    const layout = raterLayout(config, shape);
    const network = backend.engine.createRater(shape, layout);
    super(config, { backend, layout, network, kind: 'backbone', name: `${config.model_type} rater` });
    this.#shape = shape;
  }

  /** A rater with fresh parameters, drawn as those of a language model; its head's weights as any matrix. */
  static async initialize(
    config: RaterConfig,
    options: CallOptions & { backend: Backend; seed: number },
  ): Promise<SequenceRater> {
    checkCreation(options);
    const seed = checkInteger('seed', options.seed, 0);
    const rater = new SequenceRater(config, options.backend);
    return rater.filled(() => rater.draw(rater.space.layout, { signal: options.signal, seed }));
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
    const rater = new SequenceRater({ ...config, ...options.rater } as RaterConfig, options.backend);
    const { layout } = rater.space;
    return rater.filled(async () => {
      const backbone = partOf(layout, (slot) => seed === undefined || !isHead(slot));
      await rater.read(directory, backbone, { signal: options.signal, kind: 'backbone' });
      if (seed !== undefined) await rater.draw(partOf(layout, isHead), { signal: options.signal, seed });
    });
  }

  /** The score of each row. */
  async score(batch: RaterBatch, options: CallOptions = {}): Promise<Float64Array> {
    return this.engine.score(this.#check(batch, options), options.signal);
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
    options: CallOptions & { into?: ParameterVector } = {},
  ): Promise<ParameterVector> {
    const checked = this.#check(batch, options);
    checkLength('scoreGradients', scoreGradients, checked.batch, 'one a row');
    checkFiniteArray('scoreGradients', scoreGradients);
    const gradient = options.into ?? this.vector();
    const into = ParameterVector.engineOf(gradient, this.space, 'into', { writable: true });
    await this.engine.backward(checked, Float64Array.from(scoreGradients), into, options.signal);
    return gradient;
  }

  #check(batch: RaterBatch, options: CallOptions): EngineBatch {
    checkCall('options', options);
    return checkRows(batch, this.#shape);
  }
}
