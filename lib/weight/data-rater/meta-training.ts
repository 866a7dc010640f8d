import { mean } from 'simple-statistics';
import { collate, type Batch } from '../../data/batch.ts';
import { rowOf } from '../../data/token-source.ts';
import { resolveOptimizer, updateParameters } from '../../model/optimizer-update.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import type { SequenceRater } from '../../model/sequence-rater.ts';
import { digest, digestParameters, digestRater, digestRows, type Fingerprint } from '../../train/fingerprint.ts';
import { scheduleFactor } from '../../train/schedule.ts';
import { metaGradient, type MetaGradient } from '../meta-gradient.ts';
import { softmaxWeights } from '../softmax.ts';
import { AveragedOptimizer } from './averaged-optimizer.ts';
import type { DataRaterLogEntry, DataRaterSettings } from './options.ts';
import { Population, type MemberRecord } from './population.ts';
import { RowTape } from './row-tape.ts';

/** What a checkpoint says beside its vectors. */
export interface MetaTrainingRecord {
  /** Rows read of each tape. */
  innerRead: number;
  outerRead: number;
  optimizerSteps: number[];
  population: { births: number; members: readonly MemberRecord[] };
}

/** A rater and the inner models that it learns from. */
export class MetaTraining {
  readonly #rater: SequenceRater;
  readonly #settings: DataRaterSettings;
  readonly #population: Population;
  readonly #optimizer: AveragedOptimizer;
  readonly #gradient: ParameterVector;
  readonly #innerTape: RowTape;
  readonly #outerTape: RowTape;
  #innerRead = 0;
  #outerRead = 0;

  constructor(rater: SequenceRater, settings: DataRaterSettings) {
    const { model, population, innerOptimizer, optimizer, sharedOptimizer, inner, outer, seed } = settings;
    this.#rater = rater;
    this.#settings = settings;
    this.#population = new Population(model, { ...population, adaptive: innerOptimizer.kind === 'adamw', seed });
    this.#optimizer = new AveragedOptimizer(rater, optimizer, { sources: population.size, shared: sharedOptimizer });
    this.#gradient = rater.vector();
    this.#innerTape = new RowTape('data-rater/inner', inner.rows, seed);
    this.#outerTape = new RowTape('data-rater/outer', outer.rows, seed);
  }

  /** Made since the first meta-step. */
  get burnInSteps(): number {
    return this.#population.births * this.#settings.population.burnIn;
  }

  /** Makes the meta-step that `step` meta-steps came before. */
  async step(step: number, signal?: AbortSignal): Promise<Omit<DataRaterLogEntry, 'seconds'>> {
    const { optimizer, schedule, steps, modelsPerStep, population, normalize } = this.#settings;
    const lr = optimizer.lr * scheduleFactor(schedule, step, steps);
    const models: DataRaterLogEntry['models'] = [];
    const entropies: number[] = [];
    for (let k = 0; k < modelsPerStep; k++) {
      const index = (step * modelsPerStep + k) % population.size;
      if (await this.#population.enter(index, signal)) await this.#burnIn(index, signal);
      const { outerLoss, weights } = await this.#metaGradient(index, signal);
      entropies.push(...weights.map(entropy));
      const metaGradientNorm = this.#gradient.norm();
      if (normalize && metaGradientNorm > 0) this.#gradient.scale(1 / metaGradientNorm);
      await this.#optimizer.add(index, this.#gradient, lr);
      models.push({ model: index, age: this.#population.age(index), outerLoss, metaGradientNorm });
    }
    await this.#optimizer.apply(lr);
    return {
      step: step + 1,
      lr,
      outerLoss: mean(models.map(({ outerLoss }) => outerLoss)),
      effectiveSamples: mean(entropies.map(Math.exp)),
      models,
    };
  }

  /** Writes all vectors but the rater's own parameters. */
  async save(directory: string): Promise<MetaTrainingRecord> {
    return {
      innerRead: this.#innerRead,
      outerRead: this.#outerRead,
      optimizerSteps: await this.#optimizer.save(directory),
      population: await this.#population.save(directory),
    };
  }

  async load(directory: string, record: MetaTrainingRecord): Promise<void> {
    this.#innerRead = record.innerRead;
    this.#outerRead = record.outerRead;
    await this.#optimizer.load(directory, record.optimizerSteps);
    await this.#population.load(directory, record.population);
  }

  dispose(): void {
    this.#population.dispose();
    this.#optimizer.dispose();
    this.#gradient.dispose();
  }

  /** The gradient by the rater's parameters of the outer loss after T steps of an inner model, which makes them. */
  async #metaGradient(index: number, signal: AbortSignal | undefined): Promise<MetaGradient> {
    const { model, window, inner, outer, temperature, innerOptimizer, firstOrder } = this.#settings;
    const { batchSize } = inner;
    const rows = this.#nextInner(window * batchSize);
    // One pass of the rater over the rows of all inner steps.
    const rated = this.#batch(inner, rows);
    const scores = await this.#rater.score(rated, { signal });
    const part = (t: number) => [t * batchSize, (t + 1) * batchSize] as const;
    const parts = Array.from({ length: window }, (_, t) => part(t));
    const meta = await metaGradient(model, {
      batches: parts.map((range) => this.#batch(inner, rows.subarray(...range))),
      scores: parts.map((range) => scores.subarray(...range)),
      outer: this.#batch(outer, this.#nextOuter(outer.batchSize)),
      temperature,
      optimizer: innerOptimizer,
      state: this.#population.state(index),
      finalState: innerOptimizer.kind === 'adamw',
      firstOrder,
      workspace: this.#population.workspace,
      signal,
    });
    const scoreGradients = new Float64Array(rows.length);
    meta.scoreGradients.forEach((gradients, t) => scoreGradients.set(gradients, t * batchSize));
    await this.#rater.backward(rated, scoreGradients, { into: this.#gradient, signal });
    this.#population.advance(index, meta);
    return meta;
  }

  /** Weighted steps that nothing is differentiated through. */
  async #burnIn(index: number, signal: AbortSignal | undefined): Promise<void> {
    const { model, inner, innerOptimizer, temperature, population } = this.#settings;
    const settings = resolveOptimizer(innerOptimizer);
    const gradient = this.#population.workspace.take();
    for (let i = 0; i < population.burnIn; i++) {
      const batch = this.#batch(inner, this.#nextInner(inner.batchSize));
      const weights = softmaxWeights(await this.#rater.score(batch, { signal }), { temperature });
      await model.gradient(batch, { weights, into: gradient, signal });
      const state = this.#population.state(index);
      const step = this.#population.step(index) + 1;
      await updateParameters(model.parameters.engine, gradient.engine, state, settings, step);
      this.#population.advanceInPlace(index);
    }
    this.#population.workspace.give(gradient);
  }

  #nextInner(count: number): Uint32Array {
    this.#innerRead += count;
    return this.#innerTape.read(this.#innerRead - count, count);
  }

  #nextOuter(count: number): Uint32Array {
    this.#outerRead += count;
    return this.#outerTape.read(this.#outerRead - count, count);
  }

  #batch({ samples }: DataRaterSettings['inner'], rows: Uint32Array): Batch {
    return collate(Array.from(rows, (row) => rowOf(samples, row)));
  }
}

/** What a meta-training depends on. */
export function fingerprintOf(rater: SequenceRater, settings: DataRaterSettings): Fingerprint {
  const { model, inner, outer, population, probe, schedule, innerOptimizer, optimizer, ...plain } = settings;
  const { starts, ...lives } = population;
  return {
    ...(Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, String(value)])) as Fingerprint),
    'inner rows': digest([inner.rows, digestRows(inner.samples, inner.rows)]),
    'outer rows': digest([outer.rows, digestRows(outer.samples, outer.rows)]),
    'batch sizes': `${inner.batchSize} and ${outer.batchSize}`,
    'probe rows': digest([probe.rows]),
    'probe every': probe.every,
    population: JSON.stringify(lives),
    starts: digest(
      starts.flatMap(({ parameters, state }) => [
        digestParameters(parameters),
        ...(state ? [String(state.step), digestParameters(state.m), digestParameters(state.v)] : []),
      ]),
    ),
    schedule: JSON.stringify(schedule),
    'inner optimizer': JSON.stringify(innerOptimizer),
    optimizer: JSON.stringify(optimizer),
    'inner model': JSON.stringify(model.config),
    'rater settings': JSON.stringify(rater.config),
    'initial rater': digestRater(rater),
  };
}

function entropy(weights: Float64Array): number {
  return -weights.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0);
}
