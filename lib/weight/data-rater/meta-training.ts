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
import { FRESH, Population, type PopulationRecord } from './population.ts';
import { SAME_AS_INNER, type RowSet, type RowSets } from './row-sets.ts';
import { RowTape } from './row-tape.ts';

/** What a checkpoint says beside its vectors. */
export interface MetaTrainingRecord {
  /** Rows read of each set. */
  read: Record<keyof RowSets, number>;
  optimizerSteps: number[];
  population: PopulationRecord;
}

/** A rater and the inner models that it learns from. */
export class MetaTraining {
  readonly #rater: SequenceRater;
  readonly #settings: DataRaterSettings;
  readonly #population: Population;
  readonly #optimizer: AveragedOptimizer;
  readonly #gradient: ParameterVector;
  readonly #tapes: Record<keyof RowSets, RowTape>;

  constructor(rater: SequenceRater, settings: DataRaterSettings) {
    const { model, population, innerOptimizer, optimizer, sharedOptimizer, seed } = settings;
    this.#rater = rater;
    this.#settings = settings;
    this.#population = new Population(model, { ...population, adaptive: innerOptimizer.kind === 'adamw', seed });
    this.#optimizer = new AveragedOptimizer(rater, optimizer, { sources: population.size, shared: sharedOptimizer });
    this.#gradient = rater.vector();
    const { inner, rated, heldOut } = settings;
    const innerTape = new RowTape('data-rater/inner', inner.rows, seed);
    this.#tapes = {
      inner: innerTape,
      rated: rated === inner ? innerTape : new RowTape('data-rater/rated', rated.rows, seed),
      heldOut: new RowTape('data-rater/outer', heldOut.rows, seed),
    };
  }

  /** Made since the first meta-step. */
  get burnInSteps(): number {
    return this.#population.burnInSteps;
  }

  /** Makes the meta-step that `step` meta-steps came before. */
  async step(step: number, signal?: AbortSignal): Promise<Omit<DataRaterLogEntry, 'seconds'>> {
    const { optimizer, schedule, steps, modelsPerStep, population, normalize } = this.#settings;
    const lr = optimizer.lr * scheduleFactor(schedule, step, steps);
    const models: DataRaterLogEntry['models'] = [];
    const entropies: number[] = [];
    for (let k = 0; k < modelsPerStep; k++) {
      const index = (step * modelsPerStep + k) % population.size;
      await this.#burnIn(index, await this.#population.enter(index, signal), signal);
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
      read: {
        inner: this.#tapes.inner.position,
        rated: this.#tapes.rated.position,
        heldOut: this.#tapes.heldOut.position,
      },
      optimizerSteps: await this.#optimizer.save(directory),
      population: await this.#population.save(directory),
    };
  }

  async load(directory: string, record: MetaTrainingRecord): Promise<void> {
    for (const [name, tape] of Object.entries(this.#tapes)) tape.position = record.read[name as keyof RowSets];
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
    const { model, window, rated: set, heldOut, temperature, innerOptimizer, firstOrder } = this.#settings;
    const { batchSize } = set;
    const rows = this.#tapes.rated.next(window * batchSize);
    // One pass of the rater over the rows of all inner steps.
    const rated = batchOf(set, rows);
    const features = await this.#rater.features(rated, { signal });
    const scores = await this.#rater.score(rated, { features, signal });
    const part = (t: number) => [t * batchSize, (t + 1) * batchSize] as const;
    const parts = Array.from({ length: window }, (_, t) => part(t));
    const meta = await metaGradient(model, {
      batches: parts.map((range) => batchOf(set, rows.subarray(...range))),
      scores: parts.map((range) => scores.subarray(...range)),
      outer: batchOf(heldOut, this.#tapes.heldOut.next(heldOut.batchSize)),
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
    await this.#rater.backward(rated, scoreGradients, { into: this.#gradient, features, signal });
    this.#population.advance(index, meta);
    return meta;
  }

  /** Weighted steps that nothing is differentiated through. */
  async #burnIn(index: number, steps: number, signal: AbortSignal | undefined): Promise<void> {
    if (steps === 0) return;
    const { model, inner, innerOptimizer, temperature } = this.#settings;
    const settings = resolveOptimizer(innerOptimizer);
    const gradient = this.#population.workspace.take();
    for (let i = 0; i < steps; i++) {
      const batch = batchOf(inner, this.#tapes.inner.next(inner.batchSize));
      const weights = softmaxWeights(await this.#rater.score(batch, { signal }), { temperature });
      await model.gradient(batch, { weights, into: gradient, signal });
      const state = this.#population.state(index);
      const step = this.#population.step(index) + 1;
      await updateParameters(model.parameters.engine, gradient.engine, state, settings, step);
      this.#population.advanceInPlace(index);
    }
    this.#population.workspace.give(gradient);
  }
}

function batchOf({ samples }: RowSet, rows: Uint32Array): Batch {
  return collate(Array.from(rows, (row) => rowOf(samples, row)));
}

/** What a meta-training depends on. */
export function fingerprintOf(rater: SequenceRater, settings: DataRaterSettings): Fingerprint {
  const { model, inner, rated, heldOut, population, probe, schedule, innerOptimizer, optimizer, ...plain } = settings;
  const { starts, ...lives } = population;
  const digestOf = ({ samples, rows }: RowSet) => digest([rows, digestRows(samples, rows)]);
  return {
    ...(Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, String(value)])) as Fingerprint),
    'inner rows': digestOf(inner),
    'rated rows': rated === inner ? SAME_AS_INNER : digestOf(rated),
    'held-out rows': digestOf(heldOut),
    'batch sizes': [inner, rated, heldOut].map(({ batchSize }) => batchSize).join(),
    'probe rows': digest([probe.rows]),
    'probe every': probe.every,
    population: JSON.stringify(lives),
    starts: digest(
      starts.flatMap((start) => {
        if (start === FRESH) return [FRESH];
        const { parameters, state } = start;
        const moments = state ? [String(state.step), digestParameters(state.m), digestParameters(state.v)] : [];
        return [digestParameters(parameters), ...moments];
      }),
    ),
    schedule: JSON.stringify(schedule),
    'inner optimizer': JSON.stringify(innerOptimizer),
    optimizer: JSON.stringify(optimizer),
    'inner model': JSON.stringify(model.config),
    // Words' beginnings are long, and in the digest of the rater.
    'rater settings': JSON.stringify(rater.config, (name, value) => (name === 'wordStarts' ? undefined : value)),
    'initial rater': digestRater(rater),
  };
}

function entropy(weights: Float64Array): number {
  return -weights.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0);
}
