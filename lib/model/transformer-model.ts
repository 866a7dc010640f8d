import { checkBackend } from '../backend/check.ts';
import type { Backend, EngineNetwork } from '../backend/types.ts';
import { checkCall, checkFinite } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { readWeights, writeCheckpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { initializeParameters } from './initialize.ts';
import type { ParameterLayout } from './layout.ts';
import { ParameterVector, type ParameterSpace } from './parameter-vector.ts';
import { release, releaseWhenCollected } from './release.ts';
import { checkpointNames, transformersConfig, type CheckpointKind } from './transformers.ts';

export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  signal?: AbortSignal;
}

/** Checks what every model is made with, the signal's state included. */
export function checkCreation(options: CallOptions & { backend: Backend }): void {
  checkCall('options', options);
  checkBackend(options.backend);
}

/** What a language model and a rater have in common: parameters on a backend, and a Hugging Face directory. */
export abstract class TransformerModel<
  Config extends ModelConfig = ModelConfig,
  Network extends EngineNetwork = EngineNetwork,
> {
  readonly config: Config;
  /** The live parameters: writing to them changes the model. */
  readonly parameters: ParameterVector;
  /** @internal */
  readonly space: ParameterSpace;
  readonly #network: Network;
  readonly #kind: CheckpointKind;
  #disposed = false;

  /** @internal */
  protected constructor(
    config: Config,
    model: { backend: Backend; layout: ParameterLayout; network: Network; kind: CheckpointKind; name: string },
  ) {
    this.config = config;
    this.space = { backend: model.backend, layout: model.layout, name: model.name };
    this.#network = model.network;
    this.#kind = model.kind;
    this.parameters = new ParameterVector(this.space, model.network.parameters, this);
    releaseWhenCollected(this, model.network);
  }

  get parameterCount(): number {
    return this.space.layout.length;
  }

  /**
   * A new vector over the model's parameters: zeros, or the given tensors.
   * @throws GradfoldError INVALID_ARGUMENT naming a missing or unknown tensor, or one of another size.
   */
  vector(init?: Readonly<Record<string, Float32Array | Float64Array>>): ParameterVector {
    const vector = new ParameterVector(this.space, this.engine.zeros());
    if (init) vector.setFrom(init);
    return vector;
  }

  /**
   * Writes config.json and the weights in float32, so that Hugging Face transformers (4 and 5) loads them; of a rater
   * it loads the backbone. A new directory appears complete or not at all, files of an existing one are replaced.
   * @param options.maxShardBytes weights above this go into several files with an index; default 4 GiB
   * @throws GradfoldError IO naming the directory (disk full, no permission).
   */
  async savePretrained(directory: string, options: CallOptions & { maxShardBytes?: number } = {}): Promise<void> {
    this.#checkAlive();
    const config = transformersConfig(this.config, this.#kind);
    await writeCheckpoint(directory, config, this.parameters.tensorSources(), options);
  }

  /** Frees the model's memory; also done by garbage collection. Vectors made by it stay usable. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    release(this, this.#network);
  }

  /** @internal the backend's model */
  get engine(): Network {
    this.#checkAlive();
    return this.#network;
  }

  #checkAlive(): void {
    if (this.#disposed) throw new GradfoldError('DISPOSED', 'this model was disposed of');
  }

  /** @internal The model once its parameters are there; its memory is freed when they cannot be. */
  protected async filled(fill: () => Promise<void>): Promise<this> {
    try {
      await fill();
      return this;
    } catch (cause) {
      this.dispose();
      throw cause;
    }
  }

  /** @internal Reads the tensors of a layout, all or some of the model's, from a directory of the given kind. */
  protected async read(
    directory: string,
    layout: ParameterLayout,
    { signal, kind }: CallOptions & { kind: CheckpointKind },
  ): Promise<void> {
    const nameOf = checkpointNames(this.config, kind);
    await readWeights(directory, layout, this.engine.parameters, { nameOf, signal });
  }

  /** @internal Draws the tensors of a layout, all or some of the model's. */
  protected async draw(layout: ParameterLayout, { signal, seed }: CallOptions & { seed: number }): Promise<void> {
    const standardDeviation = checkFinite('initializer_range', this.config.initializer_range ?? 0.02, { min: 0 });
    await initializeParameters(this.engine.parameters, layout, { seed, standardDeviation, signal });
  }
}
