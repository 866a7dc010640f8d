import type { ParameterLayout } from '../../model/layout.ts';
import type { RaterShape } from '../../model/shape.ts';
import type { EngineBatch, EngineRater, EngineVector } from '../types.ts';
import { addScaled } from './dense.ts';
import { ReferenceNetwork } from './network.ts';
import { flatten } from './parameters.ts';
import type { Job, JobQueue } from './queue.ts';
import { samplesOf } from './samples.ts';
import { sampleScore } from './score.ts';

/** A rater: one row after the other. */
export class ReferenceRater extends ReferenceNetwork implements EngineRater {
  readonly #shape: RaterShape;

  constructor(shape: RaterShape, layout: ParameterLayout, queue: JobQueue) {
    super(layout, queue);
    this.#shape = shape;
  }

  score(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.run(this.#score(batch), signal);
  }

  backward(
    batch: EngineBatch,
    scoreGradients: Float64Array,
    into: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.run(this.#backward(batch, scoreGradients, into), signal);
  }

  *#score(batch: EngineBatch): Job<Float64Array> {
    const rows = samplesOf(batch, this.#shape.objective);
    const scores = new Float64Array(rows.length);
    const parameters = this.constants();
    for (const [i, row] of rows.entries()) {
      scores[i] = sampleScore(this.architecture, this.#shape, parameters, row).data[0];
      yield;
    }
    return scores;
  }

  *#backward(batch: EngineBatch, scoreGradients: Float64Array, into: EngineVector): Job<Float64Array> {
    const rows = samplesOf(batch, this.#shape.objective);
    const scores = new Float64Array(rows.length);
    const total = new Float64Array(this.layout.length);
    for (const [i, row] of rows.entries()) {
      const { value, derivative } = this.differentiate((parameters) =>
        sampleScore(this.architecture, this.#shape, parameters, row),
      );
      scores[i] = value;
      addScaled(total, scoreGradients[i], flatten(derivative, this.layout.length));
      yield;
    }
    this.values(into).set(total);
    return scores;
  }
}
