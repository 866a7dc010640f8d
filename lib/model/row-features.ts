import { checkFinite, checkList, checkObject, invalid } from '../check.ts';
import { IGNORED_LABEL, type Batch } from '../data/batch.ts';
import type { LanguageModel } from './language-model.ts';

/** Rows of tokens; labels play no part. */
type Rows = Omit<Batch, 'labels'>;

interface FeatureCall {
  rows: Rows;
  /** There where the feature needs it. */
  reference?: LanguageModel;
  signal?: AbortSignal;
}

/** Numbers of a row that the sum over its tokens hardly shows, each [rows]. */
const FEATURES = {
  /** Mean loss of the row's tokens under a reference model: how much their order surprises it. */
  loss: ({ rows, reference, signal }: FeatureCall) => losses(rows, reference!, signal),
  /** Different tokens as a share of all: low where a row repeats itself. */
  distinct_tokens: ({ rows }: FeatureCall) => distinctTokens(rows),
};

export type RowFeatureName = keyof typeof FEATURES;
export const ROW_FEATURES = Object.keys(FEATURES) as RowFeatureName[];

/** A feature as a rater's configuration has it: its values are brought to mean 0 and deviation 1 by these. */
export interface RowFeature {
  name: RowFeatureName;
  mean: number;
  deviation: number;
}

/** Whether some of the features need a reference model. */
export const needReference = (names: readonly RowFeatureName[]): boolean => names.includes('loss');

/** Values of some features, one array [rows] each. */
export async function rowFeatures(names: readonly RowFeatureName[], call: FeatureCall): Promise<Float64Array[]> {
  const values: Float64Array[] = [];
  for (const name of names) values.push(await FEATURES[name](call));
  return values;
}

/** @throws GradfoldError INVALID_ARGUMENT naming what is wrong with the features of a rater's configuration */
export function checkFeatures(features: unknown, reference: LanguageModel | undefined, vocabulary: number): void {
  checkList('features', features);
  const names = Array.from(features, (feature, i) => checkFeature(feature, i));
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw invalid('features', 'each of them once', repeated);
  if (needReference(names) === (reference === undefined)) {
    const expected = reference ? 'none (no feature needs it)' : 'a LanguageModel, for the feature "loss"';
    throw invalid('reference', expected, reference);
  }
  if (reference === undefined) return;
  reference.checkPredictsNext('reference');
  const { vocab_size: theirs } = reference.config;
  if (theirs !== vocabulary) throw invalid('reference', `the rater's vocabulary of ${vocabulary} tokens`, theirs);
}

function checkFeature(feature: unknown, i: number): RowFeatureName {
  checkObject(`features[${i}]`, feature);
  const { name, mean, deviation } = feature as RowFeature;
  if (!ROW_FEATURES.includes(name)) throw invalid(`features[${i}].name`, `one of ${ROW_FEATURES.join(', ')}`, name);
  checkFinite(`features[${i}].mean`, mean);
  checkFinite(`features[${i}].deviation`, deviation, { above: 0 });
  return name;
}

async function losses(rows: Rows, reference: LanguageModel, signal?: AbortSignal): Promise<Float64Array> {
  const { inputIds, attentionMask } = rows;
  const labels = attentionMask ? inputIds.map((id, t) => (attentionMask[t] === 1 ? id : IGNORED_LABEL)) : inputIds;
  return (await reference.loss({ ...rows, labels }, { signal })).perSample;
}

function distinctTokens({ batch, time, inputIds, attentionMask }: Rows): Float64Array {
  return Float64Array.from({ length: batch }, (_, row) => {
    const places = Array.from({ length: time }, (_, t) => row * time + t);
    const tokens = places.filter((place) => attentionMask?.[place] !== 0).map((place) => inputIds[place]);
    return new Set(tokens).size / tokens.length;
  });
}
