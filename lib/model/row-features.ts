import { checkArray, checkFinite, checkInteger, checkList, checkObject, invalid } from '../check.ts';
import { IGNORED_LABEL, type Batch } from '../data/batch.ts';
import { randomPermutation, streamOf } from '../random.ts';
import type { LanguageModel } from './language-model.ts';

/** Rows of tokens; labels play no part. */
type Rows = Omit<Batch, 'labels'>;

interface FeatureCall {
  rows: Rows;
  /** There where a feature needs it. */
  reference?: LanguageModel;
  /** Whether a token begins a word, by id: 1 where it does; default: each token is a word. */
  wordStarts?: Uint8Array;
  signal?: AbortSignal;
}

/** A call, and the reference's losses of its rows as they are, which features share. */
interface SharedCall extends FeatureCall {
  plain(): Promise<Float64Array>;
}

/** Orders of a row's words that its own is compared with. One leaves more noise; a third and a fourth take away little. */
const WORD_ORDERS = ['feature/word order 0', 'feature/word order 1'].map(streamOf);

interface Feature {
  /** Passes of the reference: over the rows as they are, which features share, and in other orders. */
  passes: { plain: 0 | 1; reordered: number };
  values(call: SharedCall): Promise<Float64Array>;
}

/** Numbers of a row that the sum over its tokens hardly shows, each [rows]. */
const FEATURES = {
  /** Mean loss of the row's tokens under a reference model. */
  loss: { passes: { plain: 1, reordered: 0 }, values: (call) => call.plain() },
  /**
   * What the order of the row's words is worth to the reference model: its mean loss over permutations of the words, less
   * the loss of the row as it is. Rare words cost as much in any order.
   */
  order_gain: { passes: { plain: 1, reordered: WORD_ORDERS.length }, values: orderGain },
  /** Different tokens as a share of all: low where a row repeats itself. */
  distinct_tokens: { passes: { plain: 0, reordered: 0 }, values: distinctTokens },
} as const satisfies Record<string, Feature>;

export type RowFeatureName = keyof typeof FEATURES;
export const ROW_FEATURES = Object.keys(FEATURES) as RowFeatureName[];
const WITH_WORDS: RowFeatureName = 'order_gain';

/** A feature as a rater's configuration has it: its values are brought to mean 0 and deviation 1 by these. */
export interface RowFeature {
  name: RowFeatureName;
  mean: number;
  deviation: number;
  /** Of `order_gain`: the tokens that begin a word; default: each of them does. */
  wordStarts?: readonly number[];
}

/** Passes of the reference model over a row that some features take together. */
export function referencePasses(names: readonly RowFeatureName[]): number {
  const passes = names.map((name): Feature['passes'] => FEATURES[name].passes);
  return Math.max(0, ...passes.map(({ plain }) => plain)) + passes.reduce((sum, { reordered }) => sum + reordered, 0);
}

/** Whether some of the features need a reference model. */
export const needReference = (names: readonly RowFeatureName[]): boolean => referencePasses(names) > 0;

/** Whether some of them need to know where words begin. */
export const needWords = (names: readonly RowFeatureName[]): boolean => names.includes(WITH_WORDS);

/** Which tokens of a vocabulary begin a word, as features take it; undefined where no feature says. */
export function wordFlags(features: readonly RowFeature[], vocabulary: number): Uint8Array | undefined {
  const starts = features.find(({ name }) => name === WITH_WORDS)?.wordStarts;
  if (!starts) return undefined;
  const flags = new Uint8Array(vocabulary);
  for (const id of starts) flags[id] = 1;
  return flags;
}

/** Values of some features, one array [rows] each. */
export async function rowFeatures(names: readonly RowFeatureName[], call: FeatureCall): Promise<Float64Array[]> {
  let losses: Promise<Float64Array> | undefined;
  const shared = { ...call, plain: () => (losses ??= lossesOf(call, call.rows.inputIds)) };
  const values: Float64Array[] = [];
  for (const name of names) values.push(await FEATURES[name].values(shared));
  return values;
}

/** @throws GradfoldError INVALID_ARGUMENT naming what is wrong with the features of a rater's configuration */
export function checkFeatures(features: unknown, reference: LanguageModel | undefined, vocabulary: number): void {
  checkArray('features', features);
  const names = Array.from(features, (feature, i) => checkFeature(feature, i, vocabulary));
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw invalid('features', 'each of them once', repeated);
  const needing = names.find((name) => needReference([name]));
  if ((needing === undefined) !== (reference === undefined)) {
    const expected = reference ? 'none (no feature needs it)' : `a LanguageModel, for the feature "${needing}"`;
    throw invalid('reference', expected, reference);
  }
  if (reference === undefined) return;
  reference.checkPredictsNext('reference');
  const { vocab_size: theirs } = reference.config;
  if (theirs !== vocabulary) throw invalid('reference', `the rater's vocabulary of ${vocabulary} tokens`, theirs);
}

function checkFeature(feature: unknown, i: number, vocabulary: number): RowFeatureName {
  checkObject(`features[${i}]`, feature);
  const { name, mean, deviation, wordStarts } = feature as RowFeature;
  if (!ROW_FEATURES.includes(name)) throw invalid(`features[${i}].name`, `one of ${ROW_FEATURES.join(', ')}`, name);
  checkFinite(`features[${i}].mean`, mean);
  checkFinite(`features[${i}].deviation`, deviation, { above: 0 });
  if (wordStarts !== undefined) {
    if (name !== WITH_WORDS) throw invalid(`features[${i}].wordStarts`, `none with "${name}"`, wordStarts);
    checkList(`features[${i}].wordStarts`, wordStarts);
    wordStarts.forEach((id, k) => checkInteger(`features[${i}].wordStarts[${k}]`, id, 0, vocabulary - 1));
  }
  return name;
}

/** The reference's mean loss of each row with these tokens in the place of its own. */
async function lossesOf({ rows, reference, signal }: FeatureCall, inputIds: Int32Array): Promise<Float64Array> {
  const { attentionMask } = rows;
  const labels = attentionMask ? inputIds.map((id, t) => (attentionMask[t] === 1 ? id : IGNORED_LABEL)) : inputIds;
  return (await reference!.loss({ ...rows, inputIds, labels }, { signal })).perSample;
}

async function orderGain(call: SharedCall): Promise<Float64Array> {
  const gain = (await call.plain()).map((loss) => -loss);
  for (const stream of WORD_ORDERS) {
    const losses = await lossesOf(call, reordered(call, stream));
    losses.forEach((loss, i) => (gain[i] += loss / WORD_ORDERS.length));
  }
  return gain;
}

/**
 * The rows' tokens with the words of each document in another order. It depends on their number alone, so that equal rows
 * have equal values in any company.
 */
function reordered({ rows, wordStarts }: FeatureCall, stream: number): Int32Array {
  const { inputIds } = rows;
  const result = inputIds.slice();
  for (const [begin, end] of documentsOf(rows)) {
    const words: Int32Array[] = [];
    for (let t = begin, start = begin; t < end; t++) {
      const last = t + 1 === end || !wordStarts || wordStarts[inputIds[t + 1]] === 1;
      if (!last) continue;
      words.push(inputIds.subarray(start, t + 1));
      start = t + 1;
    }
    let place = begin;
    for (const k of randomPermutation(words.length, 0, stream)) {
      result.set(words[k], place);
      place += words[k].length;
    }
  }
  return result;
}

/** Where the documents of all rows begin and end in `inputIds`, padding left out. */
function* documentsOf({ batch, time, attentionMask, documentIds }: Rows): Generator<[begin: number, end: number]> {
  for (let row = 0; row < batch; row++) {
    const after = (row + 1) * time;
    let begin = row * time;
    for (let place = begin + 1; begin < after && attentionMask?.[begin] !== 0; place++) {
      const same = place < after && attentionMask?.[place] !== 0 && documentIds?.[place] === documentIds?.[begin];
      if (same) continue;
      yield [begin, place];
      begin = place;
    }
  }
}

async function distinctTokens({ rows }: FeatureCall): Promise<Float64Array> {
  const { batch, time, inputIds, attentionMask } = rows;
  return Float64Array.from({ length: batch }, (_, row) => {
    const places = Array.from({ length: time }, (_, t) => row * time + t);
    const tokens = places.filter((place) => attentionMask?.[place] !== 0).map((place) => inputIds[place]);
    return new Set(tokens).size / tokens.length;
  });
}
