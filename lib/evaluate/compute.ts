import { checkFinite, checkInteger } from '../check.ts';
import { raterShape, transformerShape } from '../model/architectures/index.ts';
import type { ModelConfig, RaterConfig } from '../model/config.ts';
import { isHead, modelLayout, raterLayout } from '../model/layout.ts';
import { referencePasses } from '../model/row-features.ts';
import type { TransformerShape } from '../model/shape.ts';

/** Products of a forward pass, of forward and backward, and of a Hessian product, in units of a forward pass. */
export const FORWARD = 1;
export const BACKWARD = 3;
export const HESSIAN = 8;
/** The first half of a Hessian product, which gives the dot products of gradients with its direction. */
const TANGENT = 3;

/** Floating-point operations of the matrix products of a language model's forward pass over a row of `length` tokens. */
export function forwardFlops(config: ModelConfig, length: number): number {
  const shape = transformerShape(config);
  // Embeddings are look-ups, not products; the head is one, tied or not.
  const lookedUp = (shape.tiedEmbeddings ? 0 : shape.vocabSize) + tableRows(shape);
  const products = modelLayout(config, shape).length - lookedUp * shape.hiddenSize;
  return rowFlops(shape, products, length);
}

/** The same of a rater, whose head works once a row, on the pooled vector, and of what its features take. */
export function raterFlops(config: RaterConfig, length: number): number {
  const shape = raterShape(config);
  const lookedUp = shape.vocabSize + tableRows(shape);
  const { slots } = raterLayout(config, shape);
  const backbone = slots.filter((slot) => !isHead(slot)).reduce((sum, { size }) => sum + size, 0);
  return (
    rowFlops(shape, backbone - lookedUp * shape.hiddenSize, length) +
    2 * shape.hiddenSize +
    featureFlops(config, length)
  );
}

/** Of it, the passes of the reference model over a row that the features take; nothing is differentiated through them. */
export function featureFlops({ features = [], reference }: RaterConfig, length: number): number {
  if (!reference) return 0;
  return referencePasses(features.map(({ name }) => name)) * forwardFlops(reference, length);
}

const tableRows = ({ learnedPositions, tokenTypes }: TransformerShape): number => learnedPositions + tokenTypes;

function rowFlops({ layers, heads, headDim, causal }: TransformerShape, products: number, length: number): number {
  checkInteger('length', length, 1);
  const attended = causal ? length / 2 : length;
  return length * (2 * products + 4 * layers * heads * headDim * attended);
}

/** What meta-training of a rater was made of. */
export interface MetaTrainingSize {
  /** Updates of the rater. */
  metaSteps: number;
  /** Models whose meta-gradients each update averages. */
  innerModels: number;
  /** T: inner steps that are differentiated through. */
  innerSteps: number;
  /** Rows of an inner step, and of the outer loss. */
  innerBatch: number;
  outerBatch: number;
  /** Of one row's forward pass, by model and by rater. */
  modelFlops: number;
  raterFlops: number;
  /** Of `raterFlops`, what the rater's features take (`featureFlops`); default 0. */
  featureFlops?: number;
  /** Plain steps of the model that inner ones start from; default 0. */
  startSteps?: number;
  /** Weighted inner steps that nothing is differentiated through; default 0. */
  burnInSteps?: number;
  /** Whether Hessian products are left out. */
  firstOrder?: boolean;
}

/**
 * Floating-point operations of meta-training by exact meta-gradients: for each inner model T weighted gradients, the
 * gradient of the outer loss, and on the way back a dual pass a step, of which the first step needs the tangents alone;
 * the rater goes forward and backward over all inner rows, whose features are taken once. Training the starts and burning in come on top.
 */
export function metaTrainingFlops(size: MetaTrainingSize): number {
  const { metaSteps, innerModels, innerSteps, innerBatch, outerBatch, modelFlops, raterFlops } = size;
  const { featureFlops = 0, startSteps = 0, burnInSteps = 0, firstOrder = false } = size;
  const dual = firstOrder ? TANGENT : HESSIAN;
  const inner = innerBatch * (BACKWARD * innerSteps + dual * (innerSteps - 1) + TANGENT);
  const ofModel = (inner + outerBatch * BACKWARD) * modelFlops;
  const ofRater = innerSteps * innerBatch * (BACKWARD * (raterFlops - featureFlops) + featureFlops);
  const plain = (startSteps + burnInSteps) * innerBatch * BACKWARD * modelFlops;
  return metaSteps * innerModels * (ofModel + ofRater) + plain + burnInSteps * innerBatch * FORWARD * raterFlops;
}

/** A filtered training against one without a filter. */
export interface FilteredTraining {
  /** Operations of one optimizer step; the same in both. */
  stepFlops: number;
  /** Steps of the training without a filter. */
  baselineSteps: number;
  /** The step at which it is down to the loss that both are compared at (`matchedLoss`); default: its last. */
  baselineReached?: number;
  /** The step at which the filtered one is down to that loss (`firstCrossing`); null: it never is. */
  reached: number | null;
  /** Rows that are scored for each step of it: B/(1 − ρ) for batches of B. Default: all of `pool`, beforehand. */
  candidates?: number;
  /** Share of the scored rows that is trained on, 1 − ρ; default 1. */
  kept?: number;
  /** Operations of scoring one row. */
  scoringFlops: number;
  /** Rows that there are, where scores are kept and no row is scored twice. */
  pool?: number;
  /** Operations of training the rater; default 0. */
  metaFlops?: number;
  /** Trainings that share them; default 1. */
  trainings?: number;
}

/** Shares of what the training without a filter costs. */
export interface NetGain {
  /** Of the steps that are not needed. */
  saved: number;
  /** Of scoring candidates, those that are dropped included. */
  scoring: number;
  /** The part of `scoring` that goes to rows which are dropped. */
  overSampling: number;
  /** Of training the rater, in each training that shares it. */
  metaTraining: number;
  /** saved − scoring − metaTraining: positive where filtering pays. */
  net: number;
  /** saved − scoring, as where the rater is there already. */
  netOfScoring: number;
  /** After so many trainings what they save outweighs the rater's own; null where it never does. */
  paysAfter: number | null;
}

/**
 * The compute that a filter saves at matched loss, as a share of the baseline's: with S steps of F operations and the
 * same loss at step s of the filtered run and b of the other, (b − s)/S − (min(s·B/(1 − ρ), pool)·R + M/n)/(S·F), R being
 * the operations of scoring a row and M those of training the rater, shared by n trainings.
 * @returns null where the filtered run never reaches the loss
 */
export function netGain(training: FilteredTraining): NetGain | null {
  const {
    reached,
    candidates,
    scoringFlops,
    pool = Infinity,
    baselineSteps,
    baselineReached = baselineSteps,
  } = training;
  const baseline =
    checkFinite('stepFlops', training.stepFlops, { above: 0 }) * checkInteger('baselineSteps', baselineSteps, 1);
  const kept = checkFinite('kept', training.kept ?? 1, { min: 0, max: 1 });
  if (reached === null) return null;
  const meta = checkFinite('metaFlops', training.metaFlops ?? 0, { min: 0 }) / baseline;
  const saved = (baselineReached - reached) / baselineSteps;
  const scored = checkFinite('rows scored', candidates === undefined ? pool : Math.min(reached * candidates, pool));
  const scoring = (scored * scoringFlops) / baseline;
  const metaTraining = meta / checkInteger('trainings', training.trainings ?? 1, 1);
  const netOfScoring = saved - scoring;
  return {
    saved,
    scoring,
    overSampling: scoring * (1 - kept),
    metaTraining,
    net: netOfScoring - metaTraining,
    netOfScoring,
    paysAfter: netOfScoring > 0 ? meta / netOfScoring : null,
  };
}
