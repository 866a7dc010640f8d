import { join } from 'node:path';
import {
  resolveOptimizer,
  updateParameters,
  type Moments,
  type OptimizerConfig,
  type OptimizerSettings,
} from '../../model/optimizer-update.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import type { TransformerModel } from '../../model/transformer-model.ts';
import { loadVectors, saveVectors } from './vector-file.ts';

const FILE = 'rater-optimizers.safetensors';

/**
 * One update from several gradients of the same parameters. With an optimizer for each source of gradients, every source
 * proposes the parameters that its own optimizer would go to, and the mean of the proposals is taken (Calian et al. 2025):
 * sources whose gradients differ in size by orders of magnitude then count alike. With a shared one, the mean of the
 * gradients makes an ordinary update.
 */
export class AveragedOptimizer {
  readonly #model: TransformerModel;
  readonly #settings: OptimizerSettings;
  readonly #shared: boolean;
  readonly #moments: (Moments | undefined)[];
  /** Updates that each optimizer has made. */
  readonly #steps: number[];
  readonly #sum: ParameterVector;
  readonly #proposal: ParameterVector;
  #count = 0;

  constructor(model: TransformerModel, config: OptimizerConfig, options: { sources: number; shared: boolean }) {
    this.#model = model;
    this.#settings = resolveOptimizer(config);
    this.#shared = options.shared;
    const optimizers = Array.from({ length: options.shared ? 1 : options.sources });
    this.#steps = optimizers.map(() => 0);
    this.#moments = optimizers.map(() =>
      config.kind === 'adamw' ? { m: model.vector(), v: model.vector() } : undefined,
    );
    this.#sum = model.vector();
    this.#proposal = model.vector();
  }

  /** Takes in the gradient of a source at the present parameters, to be stepped along at learning rate `lr`. */
  async add(source: number, gradient: ParameterVector, lr: number): Promise<void> {
    this.#count++;
    if (this.#shared) return this.#sum.axpy(1, gradient);
    this.#proposal.copyFrom(this.#model.parameters);
    await this.#update(source, this.#proposal, gradient, lr);
    this.#sum.axpy(1, this.#proposal);
  }

  /** Makes the update. */
  async apply(lr: number): Promise<void> {
    const { parameters } = this.#model;
    this.#sum.scale(1 / this.#count);
    if (this.#shared) await this.#update(0, parameters, this.#sum, lr);
    else parameters.copyFrom(this.#sum);
    this.#sum.fill(0);
    this.#count = 0;
  }

  async save(directory: string): Promise<number[]> {
    await saveVectors(join(directory, FILE), this.#vectors());
    return [...this.#steps];
  }

  /** @param steps what `save` returned */
  async load(directory: string, steps: readonly number[]): Promise<void> {
    await loadVectors(join(directory, FILE), this.#vectors(), this.#model.space.layout);
    steps.forEach((step, i) => (this.#steps[i] = step));
  }

  dispose(): void {
    for (const vector of [this.#sum, this.#proposal, ...Object.values(this.#vectors())]) vector.dispose();
  }

  async #update(source: number, parameters: ParameterVector, gradient: ParameterVector, lr: number): Promise<void> {
    const step = this.#steps[source] + 1;
    await updateParameters(parameters.engine, gradient.engine, this.#moments[source], { ...this.#settings, lr }, step);
    this.#steps[source] = step;
  }

  #vectors(): Record<string, ParameterVector> {
    return Object.fromEntries(
      this.#moments.flatMap((moments, i) =>
        Object.entries(moments ?? {}).map(([name, vector]) => [`${i}/${name}`, vector]),
      ),
    ) as Record<string, ParameterVector>;
  }
}
