import { join } from 'node:path';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import type { SequenceRater } from '../../model/sequence-rater.ts';
import { loadVectors, saveVectors } from './vector-file.ts';

const FILE = 'rater-average.safetensors';

/** The mean of a rater's parameters over the last meta-steps, which its last parameters wander about (Polyak & Juditsky 1992). */
export class TailAverage {
  readonly #rater: SequenceRater;
  readonly #before: number;
  readonly #sum: ParameterVector;

  /** @param before meta-steps that do not count */
  constructor(rater: SequenceRater, before: number) {
    this.#rater = rater;
    this.#before = before;
    this.#sum = rater.vector();
  }

  /** Takes in the parameters as they are after `step` meta-steps. */
  add(step: number): void {
    if (step > this.#before) this.#sum.axpy(1, this.#rater.parameters);
  }

  /** Makes the mean over the meta-steps up to `step` the rater's parameters. */
  apply(step: number): void {
    const { parameters } = this.#rater;
    parameters.copyFrom(this.#sum);
    parameters.scale(1 / (step - this.#before));
  }

  async save(directory: string): Promise<void> {
    await saveVectors(join(directory, FILE), { sum: this.#sum });
  }

  async load(directory: string): Promise<void> {
    await loadVectors(join(directory, FILE), { sum: this.#sum }, this.#rater.space.layout);
  }

  dispose(): void {
    this.#sum.dispose();
  }
}
