import { checkFinite, checkInteger, checkList, checkObject, invalid } from '../../check.ts';
import { rowOf, type TokenSource } from '../../data/token-source.ts';
import { randomPermutation, streamOf } from '../../random.ts';
import { digest, rowParts } from '../../train/fingerprint.ts';

export interface RowsOptions {
  samples: TokenSource & { domain?(row: number): string; readonly count?: number };
  rows: ArrayLike<number>;
  /** Rows a batch; default 32, of the held-out rows 64, of the rated ones as of the inner ones. */
  batchSize?: number;
}

/** Rows that are both rated and trained on beforehand are asked for by this name. */
export const SAME_AS_INNER = 'inner';

export interface RowSetsOptions {
  /** Rows that inner models are trained on before anything is learned from them: those of burn-in. */
  inner: RowsOptions;
  /**
   * Rows of the steps that are differentiated through, whose worth is learned: no inner row, and none that a start was
   * trained on, since a row that a model knows already says little about new ones. `inner`: the inner rows all the same.
   * Default: half of the inner rows (`divideRows`), which burn-in then leaves out; all of them where there is no burn-in.
   */
  rated?: RowsOptions | typeof SAME_AS_INNER;
  /** Rows of the outer loss, which the rater is to bring down: of the same distribution, or a target set. In neither of the others. */
  heldOut: RowsOptions;
}

export interface RowSet {
  samples: RowsOptions['samples'];
  rows: Uint32Array;
  batchSize: number;
}

/** `rated` and `inner` are one object where they are the same rows. */
export interface RowSets {
  inner: RowSet;
  rated: RowSet;
  heldOut: RowSet;
}

/** Rows of some table that something has been trained on. */
export type RowsTrainedOn = Pick<RowSet, 'samples' | 'rows'>;

const RATED_SHARE = 0.5;
const MAX_ROWS = 2 ** 32;

/**
 * Divides rows at random into those for inner training (starts and burn-in) and those that are rated, each ascending.
 * @param options.ratedShare in (0, 1), default a half; `inner`: the rows themselves for both, as one array
 * @throws GradfoldError INVALID_ARGUMENT where one side would have no row
 */
export function divideRows(
  rows: ArrayLike<number>,
  options: { seed?: number; ratedShare?: number | typeof SAME_AS_INNER } = {},
): { inner: Uint32Array; rated: Uint32Array } {
  checkList('rows', rows);
  checkObject('options', options);
  const { seed = 0, ratedShare = RATED_SHARE } = options;
  if (ratedShare === SAME_AS_INNER) {
    const both = Uint32Array.from(rows);
    return { inner: both, rated: both };
  }
  checkFinite('ratedShare', ratedShare, { above: 0 });
  const count = Math.round(ratedShare * rows.length);
  if (count === 0 || count >= rows.length) {
    throw invalid('ratedShare', `a share that leaves rows on both sides, of ${rows.length}`, ratedShare);
  }
  const order = randomPermutation(rows.length, checkInteger('seed', seed, 0), streamOf('data-rater/rated rows'));
  const part = (...range: [number, number?]) => Uint32Array.from(order.slice(...range), (place) => rows[place]).sort();
  return { inner: part(count), rated: part(0, count) };
}

/** @throws GradfoldError INVALID_ARGUMENT naming a row that is where it must not be */
export function resolveRowSets(
  options: RowSetsOptions,
  { burnIn, seed, starts }: { burnIn: boolean; seed: number; starts: readonly (RowsTrainedOn | undefined)[] },
): RowSets {
  const { rated } = options;
  const inner = resolveRows('inner', options.inner, 32);
  const heldOut = resolveRows('heldOut', options.heldOut, 64);
  checkApart('heldOut.rows', heldOut, 'inner.rows', inner);
  starts.forEach((start, i) => start && checkApart('heldOut.rows', heldOut, `those of population.starts[${i}]`, start));
  if (rated === SAME_AS_INNER) return { inner, rated: inner, heldOut };
  const sets = { ...ratedApart(inner, rated, { burnIn, seed }), heldOut };
  checkApart('heldOut.rows', heldOut, 'rated.rows', sets.rated);
  const fix = `train starts on other rows (divideRows), or give rated: "${SAME_AS_INNER}" to rate rows that were trained on`;
  starts.forEach(
    (start, i) => start && checkApart('rated.rows', sets.rated, `those of population.starts[${i}]`, start, fix),
  );
  return sets;
}

function ratedApart(
  inner: RowSet,
  rated: RowsOptions | undefined,
  { burnIn, seed }: { burnIn: boolean; seed: number },
): Pick<RowSets, 'inner' | 'rated'> {
  if (rated !== undefined) {
    const given = resolveRows('rated', rated, inner.batchSize);
    checkApart('rated.rows', given, 'inner.rows', inner, `give rated: "${SAME_AS_INNER}" to rate inner rows`);
    return { inner, rated: given };
  }
  if (!burnIn) return { inner, rated: inner };
  const divided = divideRows(inner.rows, { seed });
  return { inner: { ...inner, rows: divided.inner }, rated: { ...inner, rows: divided.rated } };
}

function resolveRows(name: string, options: RowsOptions, batchSize: number): RowSet {
  checkObject(name, options);
  checkObject(`${name}.samples`, options.samples);
  checkList(`${name}.rows`, options.rows);
  // A Uint32Array would make another row of −1 or 1.5.
  const rows = Uint32Array.from(options.rows, (row, i) =>
    checkInteger(`${name}.rows[${i}]`, row, 0, (options.samples.count ?? MAX_ROWS) - 1),
  );
  const size = checkInteger(`${name}.batchSize`, options.batchSize ?? batchSize, 1);
  if (rows.length < size) throw invalid(`${name}.rows`, `at least a batch of ${size} rows`, rows.length);
  return { samples: options.samples, rows, batchSize: size };
}

/**
 * A row on both sides would teach the rater to prefer what is measured on or known already, not what helps.
 * @throws GradfoldError INVALID_ARGUMENT naming the first such row
 */
export function checkApart(
  name: string,
  set: RowsTrainedOn,
  otherName: string,
  other: RowsTrainedOn,
  fix?: string,
): void {
  const taken = new Set(other.rows);
  const same = (row: number) => set.samples === other.samples || sameRow(set.samples, other.samples, row);
  const shared = set.rows.find((row) => taken.has(row) && same(row));
  if (shared !== undefined) throw invalid(name, `no row of ${otherName}`, `row ${shared}`, { fix });
}

/** A table that was opened twice, or copied, is another object with the same rows. */
function sameRow(one: TokenSource, other: TokenSource, row: number): boolean {
  return digest(rowParts(rowOf(one, row))) === digest(rowParts(rowOf(other, row)));
}
