import type { FloatArray } from '../backend/types.ts';
import { checkInteger, checkLength, checkObject, invalid } from '../check.ts';
import { argsort } from '../order/argsort.ts';
import { checkScores, rejectNaN } from '../score/check.ts';
import { perturbScores } from './gumbel.ts';
import { apportion, everyPlace, groupsOf, type Groups } from './groups.ts';
import { checkSelection, isThreshold, type Keep, type Selection } from './rule.ts';
import { aboveThreshold } from './threshold.ts';
import { topK } from './top-k.ts';

export interface SelectOptions {
  /** The domain of each place: needed by `perDomain`, and counted in the record wherever it is given. */
  domains?: ArrayLike<string>;
  /** What the noise of each place is keyed by, so that it stays when others come or go; default: the places. */
  rows?: Uint32Array;
  /** Of the noise; default 0. */
  seed?: number;
}

/** How many rows of a group were kept, and between which scores. */
export interface Cut {
  of: number;
  kept: number;
  /** The lowest and the highest kept score, noise included; null where nothing is kept. */
  lowest: number | null;
  highest: number | null;
}

/** What a selection did: kept with a plan, so that it can be said why a row is not in it. */
export interface SelectionRecord extends Cut {
  selection: Selection;
  /** Of the noise, where there is any. */
  seed?: number;
  /** The same by domain, where domains were given. */
  domains?: Record<string, Cut>;
}

export interface Selected {
  /** Ascending: the kept rows in their input order. */
  places: Uint32Array;
  record: SelectionRecord;
}

/**
 * The places of scores [n] that a rule keeps. Equal scores are told apart by place: rows are cut from the stable
 * ascending order, so at `keep: 'high'` the later ones of equals stay, at 'low' the earlier ones; a threshold is strict.
 * What 'low' keeps of k and 'high' of n − k are all the rows, each once. Same scores, rule and seed: same places.
 * @throws GradfoldError INVALID_ARGUMENT for a rule that is not one or that keeps nothing, or for missing domains;
 * INVALID_DATA naming the index of a NaN.
 */
export function selectPlaces(scores: FloatArray, selection: Selection, options: SelectOptions = {}): Selected {
  checkScores(scores);
  rejectNaN(scores);
  checkSelection(selection);
  checkObject('options', options);
  const { domains, rows, seed = 0 } = options;
  const n = scores.length;
  if (n === 0) throw invalid('scores', 'at least one', 0);
  if (domains) checkLength('domains', domains, n, 'one a score');
  if (rows) checkLength('rows', rows, n, 'one a score');
  if (selection.perDomain && !domains) throw invalid('domains', 'the domain of each score, for perDomain', domains);
  checkInteger('seed', seed, 0);

  const byDomain = groupsOf(n, domains);
  const noisy = perturbScores(scores, rows ?? everyPlace(n), selection, seed);
  const places = isThreshold(selection)
    ? withinThresholds(scores, selection)
    : keptOfGroups(noisy, selection, selection.perDomain ? byDomain : groupsOf(n));
  if (places.length === 0) throw nothingKept(scores, selection);

  const cuts = cutsOf(noisy, places, byDomain);
  return {
    places,
    record: {
      selection,
      ...(selection.temperature ? { seed } : {}),
      ...joined(cuts),
      ...(domains ? { domains: Object.fromEntries(byDomain.names.map((name, group) => [name, cuts[group]])) } : {}),
    },
  };
}

function withinThresholds(scores: FloatArray, { above, below }: Selection): Uint32Array {
  const places = above === undefined ? everyPlace(scores.length) : aboveThreshold(scores, above);
  return below === undefined ? places : places.filter((place) => scores[place] < below);
}

/** k places of ascending-sorted scores, in any order; 1 ≤ k ≤ scores.length. */
const KEPT: Record<Keep, (scores: FloatArray, k: number) => Uint32Array> = {
  high: topK,
  low: (scores, k) => argsort(scores).subarray(0, k),
  middle(scores, k) {
    const begin = Math.floor((scores.length - k) / 2);
    return argsort(scores).subarray(begin, begin + k);
  },
};

function keptOfGroups(scores: FloatArray, selection: Selection, { members }: Groups): Uint32Array {
  const sizes = members.map(({ length }) => length);
  const wanted = sizesKept(sizes, scores.length, selection);
  const kept = new Uint8Array(scores.length);
  members.forEach((places, group) => {
    if (wanted[group] === 0) return;
    const own = members.length === 1 ? scores : gathered(scores, places);
    for (const i of KEPT[selection.keep ?? 'high'](own, wanted[group])) kept[places[i]] = 1;
  });
  const places = new Uint32Array(wanted.reduce((sum, size) => sum + size, 0));
  for (let place = 0, at = 0; at < places.length; place++) if (kept[place]) places[at++] = place;
  return places;
}

function gathered(scores: FloatArray, places: Uint32Array): Float64Array {
  const own = new Float64Array(places.length);
  for (let i = 0; i < own.length; i++) own[i] = scores[places[i]];
  return own;
}

/** How many rows of groups of these sizes stay. */
function sizesKept(sizes: number[], n: number, { topRatio, topK: k }: Selection): number[] {
  if (k !== undefined) return sizes.map((size) => Math.min(size, Math.trunc(k)));
  return apportion(sizes, Math.trunc(n * topRatio!));
}

/** What stayed of each group. */
function cutsOf(scores: FloatArray, kept: Uint32Array, { codes, members }: Groups): Cut[] {
  const counts = new Float64Array(members.length);
  const lowest = new Float64Array(members.length).fill(Infinity);
  const highest = new Float64Array(members.length).fill(-Infinity);
  for (const place of kept) {
    const group = codes[place];
    counts[group]++;
    lowest[group] = Math.min(lowest[group], scores[place]);
    highest[group] = Math.max(highest[group], scores[place]);
  }
  return members.map(({ length: of }, group) => {
    if (counts[group] === 0) return { of, kept: 0, lowest: null, highest: null };
    return { of, kept: counts[group], lowest: lowest[group], highest: highest[group] };
  });
}

/** Groups taken together; at least one of them keeps something. */
function joined(cuts: Cut[]): Cut {
  const sum = (count: (cut: Cut) => number) => cuts.reduce((total, cut) => total + count(cut), 0);
  const some = cuts.filter((cut) => cut.kept > 0);
  return {
    of: sum((cut) => cut.of),
    kept: sum((cut) => cut.kept),
    lowest: some.reduce((least, { lowest }) => Math.min(least, lowest!), Infinity),
    highest: some.reduce((most, { highest }) => Math.max(most, highest!), -Infinity),
  };
}

function nothingKept(scores: FloatArray, { topRatio, above, below }: Selection): Error {
  const n = scores.length;
  if (topRatio !== undefined) {
    return invalid('topRatio', `a ratio that keeps something of ${n} rows`, topRatio, {
      fix: `use a ratio of at least 1/${n}, or more rows`,
    });
  }
  const { lowest, highest } = joined(cutsOf(scores, everyPlace(n), groupsOf(n)));
  const limits = Object.entries({ above, below }).filter(([, x]) => x !== undefined);
  return invalid(
    'selection',
    `a threshold that keeps something of ${n} rows with scores from ${lowest} to ${highest}`,
    limits.map(([side, x]) => `${side} ${x}`).join(', '),
    { fix: 'nothing would be kept' },
  );
}
