import type { FileAddon } from '../data/native.ts';
import type { OrderAddon } from '../order/native.ts';
import type { RaterShape, TransformerShape } from '../model/shape.ts';
import type { WeightAddon } from '../weight/native.ts';
import { loadAddonFile, type Loaded } from './native/load.ts';
import type {
  EngineBatch,
  LinearProblem,
  LinearRequest,
  LinearResult,
  MemoryRequest,
  ProductShape,
  SketchRequest,
} from './types.ts';

/** A vector of native/addon/vector.cc. Calls wait for everything queued before them. */
export interface NativeVector {
  copy(): NativeVector;
  fill(x: number): void;
  copyFrom(x: NativeVector): void;
  scale(a: number): void;
  axpy(a: number, x: NativeVector): void;
  dot(x: NativeVector): number;
  read(offset: number, length: number): Float32Array;
  write(offset: number, values: Float32Array): void;
  sgdStep(gradient: NativeVector, step: { lr: number; clipNorm: number }): Promise<number>;
  adamwStep(gradient: NativeVector, m: NativeVector, v: NativeVector, step: NativeAdamwStep): Promise<number>;
  adamwMetric(v: NativeVector, step: NativeAdamwStep): Promise<void>;
  sgdAdjoint(gradient: NativeVector, step: { lr: number; clipNorm: number }): Promise<void>;
  adamwAdjoint(
    gradient: NativeVector,
    m: NativeVector,
    v: NativeVector,
    step: NativeAdamwStep,
    mAdjoint?: NativeVector,
    vAdjoint?: NativeVector,
  ): Promise<void>;
  dispose(): void;
}

/** One tensor; vectors have one row. Tensors of one role are neighbours. */
export interface NativeSlot {
  role: string;
  offset: number;
  rows: number;
  cols: number;
  /** streamOf(its name): the stream of its sketch. */
  stream: number;
}

/** Handed to a job and raised to end it early. */
export type StopFlag = object;

export interface NativeBackwardRequest {
  weights: Float64Array;
  into?: NativeVector;
  dots: NativeVector[];
  /** Filled with the sample gradients; one a sample, or none. */
  gradients: NativeVector[];
  norms: boolean;
  gram: boolean;
  sketch?: SketchRequest;
  keep?: 'jvp' | 'hvp';
}

export interface NativeBackwardResult {
  losses: Float64Array;
  norms?: Float64Array;
  gram?: Float64Array;
  dots: Float64Array[];
  sketch?: Float32Array;
  /** A number that stands for what was kept. */
  trace?: number;
}

export interface NativeAdamwStep {
  lr: number;
  clipNorm: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  step: number;
}

/** A model of native/addon/model.cc. */
export interface NativeModel {
  parameters(): NativeVector;
  zeros(): NativeVector;
  loss(batch: EngineBatch, stop?: StopFlag): Promise<Float64Array>;
  /** [positions × vocabulary] of the positions that have a label. */
  logits(batch: EngineBatch, stop?: StopFlag): Promise<Float32Array>;
  backward(batch: EngineBatch, request: NativeBackwardRequest, stop?: StopFlag): Promise<NativeBackwardResult>;
  jvp(batch: EngineBatch, v: NativeVector, stop?: StopFlag): Promise<Float64Array>;
  hvp(
    batch: EngineBatch,
    v: NativeVector,
    weights: Float64Array,
    sum: NativeVector,
    stop?: StopFlag,
  ): Promise<Float64Array>;
  tracedJvp(trace: number, v: NativeVector, stop?: StopFlag): Promise<Float64Array>;
  tracedHvp(trace: number, v: NativeVector, sum: NativeVector, stop?: StopFlag): Promise<Float64Array>;
  forget(trace: number): void;
  memory(
    batch: EngineBatch,
    request: Required<Omit<MemoryRequest, 'keep'>> & Pick<MemoryRequest, 'keep'>,
  ): { parameters: number; activations: number; workspace: number };
  dispose(): void;
}

/** A rater of the addon. */
export interface NativeRater {
  parameters(): NativeVector;
  zeros(): NativeVector;
  score(batch: EngineBatch, stop?: StopFlag): Promise<Float64Array>;
  backward(
    batch: EngineBatch,
    scoreGradients: Float64Array,
    into: NativeVector,
    stop?: StopFlag,
  ): Promise<Float64Array>;
  dispose(): void;
}

/** What native/addon/platform_*.cc of the addon take. */
export interface NativeEngineOptions {
  precision: 'f32' | 'bf16';
  /** Default: no. */
  recompute?: boolean;
  /** cpu */
  threads?: number;
  isa?: string;
  gemm?: string;
  /** cuda */
  device?: number;
}

export interface NativeLinearProblem extends LinearProblem {
  activations: Float32Array;
  outputGradients: Float32Array;
}

export interface NativeLinearRequest extends LinearRequest {
  dots: Float32Array[];
}

export interface NativeEngine {
  createModel(shape: TransformerShape, slots: readonly NativeSlot[]): NativeModel;
  createRater(shape: RaterShape, slots: readonly NativeSlot[]): NativeRater;
  measureProduct(shape: ProductShape): Promise<number>;
  perSampleLinear(problem: NativeLinearProblem, request: NativeLinearRequest, stop?: StopFlag): Promise<LinearResult>;
  describe(): { isa: string; gemm: string; threads: number };
  /** How often work that came before ran as a whole (CUDA graphs). */
  repeated(): number;
  close(): void;
}

/** What every addon has, of whatever device. */
export interface EngineAddon {
  NativeEngine: new (options: NativeEngineOptions) => NativeEngine;
  createStop(): StopFlag;
  raiseStop(flag: StopFlag): void;
}

/** The CPU addon, which also has what needs no engine. */
export interface Addon extends EngineAddon, Partial<FileAddon>, OrderAddon, WeightAddon {}

let loaded: Loaded<Addon> | undefined;

function load(): Loaded<Addon> {
  // Read once, when the OpenMP runtime is loaded with the addon: threads that are done with their part sleep instead of
  // spinning, which on a shared machine takes time from the threads still at work.
  process.env.OMP_WAIT_POLICY ??= 'passive';
  return loadAddonFile('../../build/Release/gradfold_cpu.node', 'the CPU addon', 'npm run build:cpu');
}

/** The CPU addon, or null where it is not built or does not load. */
export function loadAddon(): Addon | null {
  loaded ??= load();
  return 'addon' in loaded ? loaded.addon : null;
}

/** Why loadAddon() gives null, and the command that mends it. */
export function addonReason(): string | undefined {
  loaded ??= load();
  return 'addon' in loaded ? undefined : loaded.reason;
}
