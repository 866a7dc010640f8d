import { join } from 'node:path';
import { initializeParameters } from '../../model/initialize.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import type { OptimizerState } from '../../model/optimizer-update.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import { VectorPool } from '../../model/vector-pool.ts';
import { randomUint32, streamOf } from '../../random.ts';
import type { MetaGradient } from '../meta-gradient.ts';
import type { RowsTrainedOn } from './row-sets.ts';
import { RowTape } from './row-tape.ts';
import { loadVectors, saveVectors } from './vector-file.ts';

const FILE = 'inner-models.safetensors';

/** Where an inner model may begin its life. Not changed, and the caller's to dispose of. */
export interface InnerStart {
  parameters: ParameterVector;
  /** AdamW's, as the parameters were reached; without it the optimizer begins anew. */
  state?: OptimizerState;
  /** Rows that the parameters come from: none of them may be rated, or held out. Default: not known. */
  trainedOn?: RowsTrainedOn;
}

/** A start with new parameters, other ones every time. */
export const FRESH = 'fresh' as const;

export interface PopulationOptions {
  /** Inner models; default 4. */
  size?: number;
  /** Inner steps of a model from its start to the next one; default 60. */
  life?: number;
  /** Inner steps right after a start that no meta-gradient is taken of; default 0, after a fresh one 100. */
  burnIn?: number;
  /** Drawn from in turn, each pass in an order of its own; default: fresh ones alone. */
  starts?: readonly (InnerStart | typeof FRESH)[];
}

export interface PopulationSettings {
  size: number;
  life: number;
  burnIn: { fresh: number; trained: number };
  /** At least one. */
  starts: readonly (InnerStart | typeof FRESH)[];
  /** Whether inner steps are AdamW's. */
  adaptive: boolean;
  seed: number;
}

/** What a checkpoint says of an inner model beside its vectors. */
export interface MemberRecord {
  /** Updates that its optimizer counts. */
  step: number;
  /** Inner steps since its start; null before the first one. */
  age: number | null;
  /** Inner steps from its start to the next one. */
  life: number;
}

/** What a checkpoint says of all inner models beside their vectors. */
export interface PopulationRecord {
  births: number;
  burnInSteps: number;
  members: readonly MemberRecord[];
}

interface Member extends MemberRecord {
  theta: ParameterVector;
  moments?: { m: ParameterVector; v: ParameterVector };
}

/**
 * Inner models that share one LanguageModel, whose parameters are those of the model at work. First lives are
 * shortened so that ages are spread from then on.
 */
export class Population {
  /** Vectors for metaGradient. */
  readonly workspace: VectorPool;
  readonly #model: LanguageModel;
  readonly #settings: PopulationSettings;
  readonly #members: Member[];
  readonly #order: RowTape;
  /** Lives begun. */
  #births = 0;
  #burnInSteps = 0;

  constructor(model: LanguageModel, settings: PopulationSettings) {
    const { size, life, adaptive, starts, seed } = settings;
    this.#model = model;
    this.#settings = settings;
    this.workspace = new VectorPool(model);
    this.#order = new RowTape('data-rater/starts', Uint32Array.from(starts.keys()), seed);
    this.#members = Array.from({ length: size }, (_, i) => ({
      step: 0,
      age: null,
      life: Math.max(1, Math.round((life * (i + 1)) / size)),
      theta: model.vector(),
      ...(adaptive && { moments: { m: model.vector(), v: model.vector() } }),
    }));
  }

  /** Steps of burn-in that were due so far. */
  get burnInSteps(): number {
    return this.#burnInSteps;
  }

  /** Inner steps of a member since its start, burn-in included. */
  age(index: number): number {
    return this.#members[index].age ?? 0;
  }

  /** Updates that a member's optimizer has made. */
  step(index: number): number {
    return this.#members[index].step;
  }

  /**
   * Puts a member's parameters into the model; begins a new life first where the last one is over.
   * @returns steps of burn-in that are due
   */
  async enter(index: number, signal?: AbortSignal): Promise<number> {
    const member = this.#members[index];
    const reborn = member.age === null || member.age >= member.life;
    const burnIn = reborn ? await this.#begin(member, signal) : 0;
    this.#burnInSteps += burnIn;
    this.#model.parameters.copyFrom(member.theta);
    return burnIn;
  }

  /** Optimizer state of a member. */
  state(index: number): OptimizerState | undefined {
    const { moments, step } = this.#members[index];
    return moments && { step, ...moments };
  }

  /** Takes over where T inner steps led. */
  advance(index: number, { final, finalState, weights }: MetaGradient): void {
    const member = this.#members[index];
    this.workspace.give(member.theta);
    member.theta = final;
    if (member.moments && finalState) {
      this.workspace.give(member.moments.m);
      this.workspace.give(member.moments.v);
      member.moments = { m: finalState.m, v: finalState.v };
    }
    member.age! += weights.length;
    member.step += weights.length;
  }

  /** Takes over what one optimizer step made of the model's parameters, and of the vectors of `state`. */
  advanceInPlace(index: number): void {
    const member = this.#members[index];
    member.theta.copyFrom(this.#model.parameters);
    member.age!++;
    member.step++;
  }

  async save(directory: string): Promise<PopulationRecord> {
    await saveVectors(join(directory, FILE), this.#vectors());
    return {
      births: this.#births,
      burnInSteps: this.#burnInSteps,
      members: this.#members.map(({ step, age, life }) => ({ step, age, life })),
    };
  }

  /** @param record what `save` returned */
  async load(directory: string, record: PopulationRecord): Promise<void> {
    await loadVectors(join(directory, FILE), this.#vectors(), this.#model.space.layout);
    this.#births = record.births;
    this.#burnInSteps = record.burnInSteps;
    record.members.forEach((saved, i) => Object.assign(this.#members[i], saved));
  }

  dispose(): void {
    for (const vector of Object.values(this.#vectors())) vector.dispose();
    this.workspace.dispose();
  }

  /** Begins a life; resolves to the steps of burn-in that it begins with. */
  async #begin(member: Member, signal: AbortSignal | undefined): Promise<number> {
    const { starts, seed, life, burnIn } = this.#settings;
    const birth = this.#births++;
    if (member.age !== null) member.life = life;
    member.age = 0;
    member.step = 0;
    member.moments?.m.fill(0);
    member.moments?.v.fill(0);
    const start = starts[this.#order.read(birth, 1)[0]];
    if (start === FRESH) {
      await initializeParameters(member.theta.engine, this.#model.space.layout, {
        seed: randomUint32(seed, streamOf('data-rater/fresh'), birth),
        standardDeviation: this.#model.config.initializer_range ?? 0.02,
        signal,
      });
      return burnIn.fresh;
    }
    const { parameters, state } = start;
    member.theta.copyFrom(parameters);
    if (member.moments && state) {
      member.moments.m.copyFrom(state.m);
      member.moments.v.copyFrom(state.v);
      member.step = state.step;
    }
    return burnIn.trained;
  }

  #vectors(): Record<string, ParameterVector> {
    return Object.fromEntries(
      this.#members.flatMap(({ theta, moments }, i) =>
        Object.entries({ theta, ...moments }).map(([name, vector]) => [`${i}/${name}`, vector]),
      ),
    ) as Record<string, ParameterVector>;
  }
}
