import { checkFinite, checkObject, invalid } from '../check.ts';

/** Which part of the sorted scores a selection of a given size keeps. */
export const KEEPS = ['high', 'low', 'middle'] as const;
export type Keep = (typeof KEEPS)[number];

/** A rule that says which of scored rows stay: one of `topRatio`, `topK` and a threshold (`above`, `below` or both). */
export interface Selection {
  /** Keep this share of the rows, in (0, 1]: ⌊topRatio · n⌋ of n. */
  topRatio?: number;
  /** Keep this many rows, all where there are fewer. */
  topK?: number;
  /** Keep scores strictly greater than this. */
  above?: number;
  /** Keep scores strictly less than this. */
  below?: number;
  /**
   * What topRatio and topK keep of the n rows in stable ascending order: the last k (`high`, the default), the first k
   * (`low`), or the k from place ⌊(n − k) / 2⌋ on (`middle`, as perplexity pruning wants it: Marion et al. 2023, "When
   * Less is More").
   */
  keep?: Keep;
  /**
   * Select within each domain: topK rows of each; of topRatio's ⌊topRatio · n⌋ rows each domain has its share, by
   * largest remainder.
   */
  perDomain?: boolean;
  /** τ ≥ 0: Gumbel noise times τ is added to the scores first, see gumbel.ts; 0, the default, adds none. */
  temperature?: number;
}

const SIZED = ['keep', 'perDomain', 'temperature'] as const;

/** Whether the rule is a threshold. */
export const isThreshold = ({ above, below }: Selection): boolean => above !== undefined || below !== undefined;

/**
 * What is wrong with the combination of keys, if anything is.
 * @param nameOf how a key is called where it was given
 */
export function selectionProblem(
  selection: Selection,
  nameOf: (key: keyof Selection) => string = (key) => key,
): string | undefined {
  const threshold = isThreshold(selection);
  const rules = [selection.topRatio !== undefined, selection.topK !== undefined, threshold].filter(Boolean).length;
  if (rules !== 1) {
    const [ratio, k, above, below] = (['topRatio', 'topK', 'above', 'below'] as const).map(nameOf);
    return `give exactly one of ${ratio}, ${k} and a threshold (${above}, ${below} or both)`;
  }
  const useless = SIZED.find((key) => threshold && selection[key] !== undefined && selection[key] !== false);
  if (useless) {
    return `${nameOf(useless)} goes with ${nameOf('topRatio')} or ${nameOf('topK')}; a threshold says by itself what is kept`;
  }
  const { above, below } = selection;
  if (above !== undefined && below !== undefined && above >= below)
    return `${nameOf('above')} must be less than ${nameOf('below')}, else nothing can be kept`;
  return undefined;
}

/** @throws GradfoldError INVALID_ARGUMENT naming what is wrong with a selection. */
export function checkSelection(selection: Selection): void {
  checkObject('selection', selection);
  const problem = selectionProblem(selection);
  if (problem) throw invalid('selection', 'one rule', JSON.stringify(selection), { fix: problem });
  const { topRatio, topK, above, below, keep = 'high', temperature = 0 } = selection;
  if (topRatio !== undefined) checkFinite('topRatio', topRatio, { above: 0, max: 1 });
  if (topK !== undefined) {
    checkFinite('topK (rows to keep; keeping nothing is not a selection)', topK, { min: 1 });
  }
  for (const [name, x] of Object.entries({ above, below })) {
    if (x !== undefined && (typeof x !== 'number' || Number.isNaN(x))) throw invalid(name, 'a number', x);
  }
  if (!KEEPS.includes(keep)) throw invalid('keep', `one of ${KEEPS.join(', ')}`, keep);
  checkFinite('temperature', temperature, { min: 0 });
}

const PART: Record<Keep, string> = {
  high: 'the highest',
  low: 'the lowest',
  middle: 'the middle',
};

/** A selection in words: "the 25 % with the highest LQS". */
export function describeSelection(selection: Selection, score = 'score'): string {
  const { topRatio, topK, above, below, keep = 'high', perDomain, temperature = 0 } = selection;
  if (isThreshold(selection)) {
    const sides = [above === undefined ? '' : `above ${above}`, below === undefined ? '' : `below ${below}`];
    return `rows whose ${score} is ${sides.filter(Boolean).join(' and ')}`;
  }
  const size = topK !== undefined ? `${topK} rows` : `${Number((100 * topRatio!).toPrecision(4))} %`;
  const noise = temperature > 0 ? `, drawn at temperature ${temperature}` : '';
  return `the ${size} with ${PART[keep]} ${score}${perDomain ? ' of each domain' : ''}${noise}`;
}
