import type { GainOverSeeds, GainWithSeed, MeanOverSeeds } from '../evaluate/matched-loss.ts';
import type { PlanGain, ReportData } from './data.ts';
import { table } from './html.ts';
import { escapeHtml as e, signed } from './text.ts';

/** What the columns of the accounts are called: the first column, and what training the scorer is. */
export interface GainNames {
  first: string;
  making: string;
}

export const gainHead = ({ first, making }: GainNames): string[] => [
  first,
  'saved',
  'scoring',
  'of it, dropped rows',
  `net, without ${making}`,
  making,
  'net gain',
  'net gain by seed',
  'earned back after',
];

/** The accounts of one filter in percent of a training without one; costs are negative. `making` may be unknown. */
export function gainCells(gain: GainOverSeeds, makingKnown = true): string[] {
  const { saved, scoring, overSampling, netOfScoring, metaTraining, net, perSeed, paysAfter } = gain;
  const made = makingKnown ? [percent(-metaTraining), over(net)] : ['not known', 'not known'];
  const bySeed = perSeed.map((seed) => `${percent(makingKnown ? seed.net : seed.netOfScoring)}${mark(seed)}`);
  return [
    over(saved),
    percent(-scoring),
    percent(-overSampling),
    over(netOfScoring),
    ...made,
    bySeed.join(', '),
    makingKnown ? earnedBack(paysAfter) : 'not known',
  ];
}

const percent = (share: number): string => signed(100 * share, 1);
const over = ({ mean, sd }: MeanOverSeeds): string =>
  sd === null ? percent(mean) : `${percent(mean)} ± ${(100 * sd).toFixed(1)}`;
const mark = ({ matched }: GainWithSeed): string => (matched.reached ? '' : '*');
const earnedBack = (trainings: number | null): string =>
  trainings === null ? 'never' : `${Math.ceil(trainings).toLocaleString('en')} trainings`;

/** How the accounts are to be read. */
export function gainWords(
  gains: readonly GainOverSeeds[],
  { baseline, making, beforehand = false }: { baseline: string; making: string; beforehand?: boolean },
): string {
  const [{ perSeed }] = gains;
  const spread = perSeed.length > 1 ? `, mean ± standard deviation over ${perSeed.length} seeds` : ' with one seed';
  const missed = gains.some(({ reachedSeeds }) => reachedSeeds < perSeed.length);
  return [
    `Compute at the loss where ${baseline} ends, in percent of what ${baseline} takes${spread}; negative is a cost. Net gain = saved − scoring − ${making}.`,
    beforehand ? 'Each training is charged with scoring the whole pool; scores that others use again cost less.' : '',
    missed
      ? `* With this seed that loss is not reached: compared at the loss where the other training ends itself, which ${baseline} has at some earlier step.`
      : '',
  ]
    .filter(Boolean)
    .join(' ');
}

/** In a run, what was trained in order to score. */
export const RUN_NAMES: GainNames = { first: 'plan', making: 'training the scorer' };

/** The accounts of every plan by a scoring, one table a measure; parts stand small below what they are parts of. */
export function gainTables({ gains = [], plans }: Pick<ReportData, 'gains' | 'plans'>): string {
  const { first, making } = RUN_NAMES;
  const head = [first, 'saved', 'scoring', `net, without ${making}`, making, 'net gain', 'earned back after'];
  return gains
    .map(({ measure, plans: rows }) => {
      const all = rows.map(({ gain }) => gain);
      const cells = rows.map(({ plan, gain }: PlanGain) => {
        const [saved, scoring, dropped, netOfScoring, made, net, bySeed, earned] = gainCells(gain);
        const scored = below(scoring, `dropped rows ${dropped}`);
        return [e(plan), saved, scored, netOfScoring, made, below(net, bySeed), earned];
      });
      return `<h3>Net gain at matched loss, ${e(measure)}</h3><p>${e(gainWords(all, { baseline: plans[0].name, making, beforehand: true }))}</p><div class="compared">${table(head, cells)}</div>`;
    })
    .join('');
}

const below = (cell: string, part: string): string => `${cell}<small>${part}</small>`;
