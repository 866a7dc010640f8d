import { areaWithError, CORRUPTIONS, type Corruption, type RocArea } from 'gradfold';

export type DiscriminationReport = Record<'all' | Corruption, RocArea>;

/**
 * How well scores, higher for better, tell clean rows from corrupted ones: the area under the ROC curve over all
 * corruptions, and of the clean rows against those of each.
 */
export function discrimination(
  scores: ArrayLike<number>,
  corruptions: readonly (Corruption | 'none')[],
): DiscriminationReport {
  const scored = (wanted: (corruption: Corruption | 'none') => boolean): number[] =>
    Array.from(scores).filter((_, i) => wanted(corruptions[i]));
  const clean = scored((corruption) => corruption === 'none');
  const entries = CORRUPTIONS.map((kind) => [
    kind,
    areaWithError(
      clean,
      scored((corruption) => corruption === kind),
    ),
  ]);
  return Object.fromEntries([
    [
      'all',
      areaWithError(
        clean,
        scored((corruption) => corruption !== 'none'),
      ),
    ],
    ...entries,
  ]) as DiscriminationReport;
}
