import type { ParameterLayout } from '../../model/layout.ts';
import type { EngineNetwork, EngineVector } from '../types.ts';
import type { ReferenceArchitecture } from './architectures/architecture.ts';
import { REFERENCE_ARCHITECTURES } from './architectures/index.ts';
import { gradient } from './gradient.ts';
import { parametersOf, type Parameters } from './parameters.ts';
import { disposed, type Job, type JobQueue } from './queue.ts';
import { constant, leaf, type Variable } from './tape.ts';
import { ReferenceVector, valuesOf } from './vector.ts';

/** A scalar of the parameters, and its derivatives by them in layout order. */
export interface Derivative {
  value: number;
  leaves: Variable[];
  derivative: Variable[];
}

/** What models and raters on the tape have in common. */
export abstract class ReferenceNetwork implements EngineNetwork {
  readonly parameters: ReferenceVector;
  protected readonly architecture: ReferenceArchitecture;
  protected readonly layout: ParameterLayout;
  readonly #queue: JobQueue;
  #disposed = false;

  constructor(layout: ParameterLayout, queue: JobQueue) {
    this.layout = layout;
    this.architecture = REFERENCE_ARCHITECTURES[layout.architecture];
    this.#queue = queue;
    this.parameters = this.vector(new Float64Array(layout.length));
  }

  zeros(): ReferenceVector {
    if (this.#disposed) throw disposed('model');
    this.#queue.checkOpen();
    return this.vector(new Float64Array(this.layout.length));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.parameters.dispose();
  }

  /** The live parameters on the tape, to compute with but not to differentiate by. */
  protected constants(): Parameters {
    return parametersOf(this.parameters.values, this.layout, constant);
  }

  /** Differentiates a scalar of the live parameters. */
  protected differentiate(scalar: (parameters: Parameters) => Variable): Derivative {
    const parameters = parametersOf(this.parameters.values, this.layout, leaf);
    const leaves = [...parameters.values()];
    const value = scalar(parameters);
    return { value: value.data[0], leaves, derivative: gradient(value, leaves) };
  }

  protected async run<T>(job: Job<T>, signal?: AbortSignal): Promise<T> {
    if (this.#disposed) throw disposed('model');
    return this.#queue.run(job, signal);
  }

  protected values(x: EngineVector): Float64Array {
    return valuesOf(x, this.layout.length);
  }

  protected vector(values: Float64Array): ReferenceVector {
    return new ReferenceVector(this.#queue, values);
  }
}
