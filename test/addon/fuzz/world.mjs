// What public calls are made on: one backend with models, vectors and optimizers that come and go.
/* global AbortController, queueMicrotask, setImmediate, setTimeout */
import { OWN } from './choices.mjs';

const CONFIGS = [
  {
    model_type: 'llama',
    vocab_size: 11,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
  },
  {
    model_type: 'mistral',
    vocab_size: 23,
    hidden_size: 12,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    sliding_window: 3,
    tie_word_embeddings: true,
  },
  { model_type: 'gpt2', vocab_size: 13, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 12 },
  {
    model_type: 'bert',
    vocab_size: 17,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 16,
  },
];
const RATERS = [
  { ...CONFIGS[0], causal: true, pooling: 'last', bias: true },
  { ...CONFIGS[3], causal: false, pooling: 'mean', bias: false },
];
const MOST_KEPT = 12;
const LATER = [queueMicrotask, setImmediate, setTimeout];

export class World {
  models = [];
  raters = [];
  vectors = [];
  optimizers = [];

  constructor(gradfold, choices) {
    this.gradfold = gradfold;
    this.choices = choices;
  }

  /** Starts afresh. What was there before stays open at times, for the collector. */
  async open() {
    const { choices, gradfold } = this;
    if (choices.chance(0.8)) this.backend?.dispose();
    const precision = choices.chance(0.2) ? 'bf16' : 'f32';
    const recompute = choices.chance(0.2);
    this.backend = await gradfold.openBackend('cpu', { threads: 1 + choices.below(2), precision, recompute });
    this.models = [];
    this.raters = [];
    this.vectors = [];
    this.optimizers = [];
    for (const config of CONFIGS) {
      const model = await gradfold.LanguageModel.initialize(config, { backend: this.backend, seed: 1 });
      this.models.push(model);
      this.vectors.push(model.vector(), model.parameters.copy());
      this.optimizers.push(gradfold.createOptimizer(model, { kind: 'adamw', lr: 1e-3 }));
    }
    for (const config of RATERS) {
      const rater = await gradfold.SequenceRater.initialize(config, { backend: this.backend, seed: 1 });
      this.raters.push(rater);
      this.vectors.push(rater.vector());
    }
  }

  config() {
    return this.choices.of(CONFIGS);
  }
  raterConfig() {
    return this.choices.of(RATERS);
  }
  rater() {
    return this.choices.of(this.raters);
  }
  model() {
    return this.choices.of(this.models);
  }
  vector() {
    return this.choices.of(this.vectors);
  }

  /** Keeps a result for later calls to use, in the place of the oldest. */
  keep(list, value) {
    list.push(value);
    if (list.length > MOST_KEPT) list.shift();
  }

  rows(vocabulary = 11) {
    const { choices } = this;
    const documents = choices.chance(0.3);
    return Array.from({ length: 1 + choices.below(4) }, () => {
      const inputIds = Array.from({ length: choices.below(9) }, () => choices.below(vocabulary));
      return { inputIds, ...(documents && { documentIds: inputIds.map((_, t) => t >> 1) }) };
    });
  }

  batch() {
    return this.gradfold.collate(this.rows(), { length: 8 + this.choices.below(3) });
  }

  scores() {
    const { choices } = this;
    const length = choices.of([0, 1, 5, 1999, 2000, 5000]);
    const distinct = 1 + choices.below(length + 1);
    return new (choices.of([Float32Array, Float64Array]))(length).map((_, i) => Math.sin(i % distinct));
  }

  /** Options with a signal that is aborted at once, soon, or never; with none at times. */
  signal() {
    const { choices } = this;
    if (choices.chance(0.6)) return {};
    const controller = new AbortController();
    if (choices.chance(0.2)) controller.abort(OWN);
    else if (choices.chance(0.8)) choices.of(LATER)(() => controller.abort(OWN));
    return { signal: controller.signal };
  }
}
