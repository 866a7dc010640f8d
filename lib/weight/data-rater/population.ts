import { join } from 'node:path';
import { initializeParameters } from '../../model/initialize.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import type { OptimizerState } from '../../model/optimizer-update.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import { VectorPool } from '../../model/vector-pool.ts';
import { randomUint32, streamOf } from '../../random.ts';
import type { MetaGradient } from '../meta-gradient.ts';
import { RowTape } from './row-tape.ts';
import { loadVectors, saveVectors } from './vector-file.ts';

const FILE = 'inner-models.safetensors';

/** Where an inner model may begin its life. Not changed, and the caller's to dispose of. */
export interface InnerStart {
  parameters: ParameterVector;
  /** AdamW's, as the parameters were reached; without it the optimizer begins anew. */
  state?: OptimizerState;
}

export interface PopulationOptions {
  /** Inner models; default 4. */
  size?: number;
  /** Inner steps of a model from its start to the next one; default 60. */
  life?: number;
  /** Inner steps right after a start that no meta-gradient is taken of; default 0, without `starts` 100. */
  burnIn?: number;
  /** Drawn from in turn, each pass in an order of its own; default: fresh parameters, new ones every time. */
  starts?: readonly InnerStart[];
}

export interface PopulationSettings {
  size: number;
  life: number;
  burnIn: number;
  starts: readonly InnerStart[];
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
  #births = 0;

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

  /** Lives begun. */
  get births(): number {
    return this.#births;
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
   * @returns whether a life began, so that burn-in is due
   */
  async enter(index: number, signal?: AbortSignal): Promise<boolean> {
    const member = this.#members[index];
    const reborn = member.age === null || member.age >= member.life;
    if (reborn) await this.#begin(member, signal);
    this.#model.parameters.copyFrom(member.theta);
    return reborn;
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

  async save(directory: string): Promise<{ births: number; members: MemberRecord[] }> {
    await saveVectors(join(directory, FILE), this.#vectors());
    return { births: this.#births, members: this.#members.map(({ step, age, life }) => ({ step, age, life })) };
  }

  /** @param record what `save` returned */
  async load(directory: string, record: { births: number; members: readonly MemberRecord[] }): Promise<void> {
    await loadVectors(join(directory, FILE), this.#vectors(), this.#model.space.layout);
    this.#births = record.births;
    record.members.forEach((saved, i) => Object.assign(this.#members[i], saved));
  }

  dispose(): void {
    for (const vector of Object.values(this.#vectors())) vector.dispose();
    this.workspace.dispose();
  }

  async #begin(member: Member, signal: AbortSignal | undefined): Promise<void> {
    const { starts, seed, life } = this.#settings;
    const birth = this.#births++;
    if (member.age !== null) member.life = life;
    member.age = 0;
    member.step = 0;
    member.moments?.m.fill(0);
    member.moments?.v.fill(0);
    if (starts.length === 0) {
      await initializeParameters(member.theta.engine, this.#model.space.layout, {
        seed: randomUint32(seed, streamOf('data-rater/fresh'), birth),
        standardDeviation: this.#model.config.initializer_range ?? 0.02,
        signal,
      });
      return;
    }
    const { parameters, state } = starts[this.#order.read(birth, 1)[0]];
    member.theta.copyFrom(parameters);
    if (!member.moments || !state) return;
    member.moments.m.copyFrom(state.m);
    member.moments.v.copyFrom(state.v);
    member.step = state.step;
  }

  #vectors(): Record<string, ParameterVector> {
    return Object.fromEntries(
      this.#members.flatMap(({ theta, moments }, i) =>
        Object.entries({ theta, ...moments }).map(([name, vector]) => [`${i}/${name}`, vector]),
      ),
    ) as Record<string, ParameterVector>;
  }
}
