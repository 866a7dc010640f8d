import { checkFinite, invalid } from '../check.ts';
import { parseJsonObject } from '../files.ts';
import {
  resolveOptimizer,
  updateParameters,
  type OptimizerConfig,
  type OptimizerSettings,
  type OptimizerState,
  type Moments,
} from './optimizer-update.ts';
import { ParameterVector } from './parameter-vector.ts';
import { readTensors } from './read-tensors.ts';
import { SafetensorsFile, writeSafetensors } from './safetensors.ts';
import { TransformerModel } from './transformer-model.ts';

export type { AdamwConfig, OptimizerConfig, SgdConfig } from './optimizer-update.ts';

/** What an optimizer's file holds beside its moments; JSON has no infinity, so no clipping is null. */
interface SavedState extends Omit<OptimizerSettings, 'clipNorm'> {
  clipNorm: number | null;
  stepCount: number;
}

const METADATA_KEY = 'optimizer';

/** Updates the parameters of a language model or a rater in place. */
export class Optimizer {
  readonly #model: TransformerModel;
  #settings: OptimizerSettings;
  /** First and second moments of the gradient, for AdamW. */
  readonly #moments: Moments | undefined;
  #stepCount = 0;
  #stepping = false;

  /** @internal createOptimizer is the public way in. */
  constructor(model: TransformerModel, config: OptimizerConfig) {
    this.#settings = resolveOptimizer(config);
    this.#model = model;
    if (config.kind === 'adamw') this.#moments = { m: model.vector(), v: model.vector() };
  }

  get lr(): number {
    return this.#settings.lr;
  }

  set lr(value: number) {
    this.#settings.lr = checkFinite('lr', value, { min: 0 });
  }

  get kind(): OptimizerConfig['kind'] {
    return this.#settings.kind;
  }

  /** Updates made so far. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /**
   * One update; resolves to ‖g‖₂ before clipping.
   * @throws GradfoldError INVALID_DATA when ‖g‖ is not finite: parameters, moments and stepCount are then unchanged.
   */
  async step(gradient: ParameterVector): Promise<{ gradientNorm: number }> {
    if (this.#stepping) throw invalid('step', 'the step before it to be awaited', 'one that is still running');
    const g = ParameterVector.engineOf(gradient, this.#model.space, 'gradient');
    const { parameters } = this.#model.engine;
    const step = this.#stepCount + 1;
    this.#stepping = true;
    try {
      const gradientNorm = await updateParameters(parameters, g, this.#moments, this.#settings, step);
      this.#stepCount = step;
      return { gradientNorm };
    } finally {
      this.#stepping = false;
    }
  }

  /**
   * x ← x / (√v̂ + ε): a gradient in the metric in which AdamW steps, so that ⟨g, x⟩ says how fast an update along g, made
   * by this optimizer, lowers the loss that x was the gradient of. v̂ is what it would be if x were the gradient of the
   * next update, (β₂v + (1−β₂)x²) / (1 − β₂ᵗ), t = stepCount + 1: a parameter that no update has touched yet then counts
   * with a factor of order 1, not 1/ε. The moments stay as they are.
   * @throws GradfoldError INVALID_ARGUMENT for SGD, which has no such metric.
   */
  async precondition(x: ParameterVector): Promise<void> {
    if (!this.#moments) throw invalid('optimizer', 'one of kind adamw', this.#settings.kind);
    const engine = ParameterVector.engineOf(x, this.#model.space, 'x', { writable: true });
    await engine.adamwMetric(this.#moments.v.engine, { ...this.#settings, step: this.#stepCount + 1 });
  }

  /**
   * @internal All that `precondition` depends on; v is the live vector.
   * @throws GradfoldError INVALID_ARGUMENT for SGD, which has no metric.
   */
  metricState(): { v: ParameterVector; beta2: number; eps: number; step: number } {
    if (!this.#moments) throw invalid('optimizer', 'one of kind adamw', this.#settings.kind);
    const { betas, eps } = this.#settings;
    return { v: this.#moments.v, beta2: betas[1], eps, step: this.#stepCount };
  }

  /**
   * A copy of where it stands, for `metaGradient` or as an inner model's start.
   * @throws GradfoldError INVALID_ARGUMENT for SGD, which has no state.
   */
  state(): OptimizerState {
    if (!this.#moments) throw invalid('optimizer', 'one of kind adamw', this.#settings.kind);
    return { step: this.#stepCount, m: this.#moments.m.copy(), v: this.#moments.v.copy() };
  }

  /** Writes settings, stepCount and moments as a safetensors file, atomically and exactly. */
  async save(path: string): Promise<void> {
    const { clipNorm, ...settings } = this.#settings;
    const state: SavedState = {
      ...settings,
      clipNorm: clipNorm === Infinity ? null : clipNorm,
      stepCount: this.#stepCount,
    };
    const tensors = Object.entries(this.#moments ?? {}).flatMap(([name, x]) => x.tensorSources(`${name}/`));
    await writeSafetensors(path, tensors, { [METADATA_KEY]: JSON.stringify(state) });
  }

  /**
   * Takes over what `save` wrote: settings, stepCount and moments.
   * @throws GradfoldError INVALID_FILE when the file is of another kind of optimizer or another model.
   */
  async load(path: string): Promise<void> {
    const file = await SafetensorsFile.open(path);
    try {
      const state = parseJsonObject(`${path}: metadata ${METADATA_KEY}`, file.metadata[METADATA_KEY] ?? '');
      const { stepCount, clipNorm, ...settings } = state as unknown as SavedState;
      if (settings.kind !== this.#settings.kind) {
        throw invalid(path, `the state of ${this.#settings.kind}`, settings.kind, { code: 'INVALID_FILE' });
      }
      for (const [name, vector] of Object.entries(this.#moments ?? {})) {
        const prefix = `${name}/`;
        const nameOf = (tensor: string) => (tensor.startsWith(prefix) ? tensor.slice(prefix.length) : null);
        await readTensors(`${path}: ${prefix}`, [file], this.#model.space.layout, vector.engine, { nameOf });
      }
      this.#settings = { ...settings, clipNorm: clipNorm ?? Infinity };
      this.#stepCount = stepCount;
    } finally {
      await file.close();
    }
  }

  /** Frees the moments' memory; also done by garbage collection. */
  dispose(): void {
    for (const vector of Object.values(this.#moments ?? {})) vector.dispose();
  }
}

/**
 * An optimizer of a model's parameters.
 * @throws GradfoldError INVALID_ARGUMENT naming the setting that is wrong.
 */
export function createOptimizer(model: TransformerModel, config: OptimizerConfig): Optimizer {
  if (!(model instanceof TransformerModel)) throw invalid('model', 'a LanguageModel or a SequenceRater', model);
  return new Optimizer(model, config);
}
