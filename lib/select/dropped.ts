import type { ScoreColumn } from '../score/table.ts';
import { perturbedScore } from './gumbel.ts';
import type { PlanRecord } from './plan-record.ts';
import { describeSelection, isThreshold } from './rule.ts';
import type { Cut, SelectionRecord } from './selection.ts';

/** Why a row is not in a plan. */
export interface Dropped {
  reason: 'score' | 'tie' | 'not scored' | 'not considered' | 'limit' | 'unknown';
  /** The rule that dropped it, in words, where one did. */
  rule?: string;
  /** The row's score as the rule saw it: with its noise, where the rule draws. */
  score?: number;
  /** What it would have had to reach, or not to exceed. */
  lowest?: number;
  highest?: number;
  /** All of this in one sentence. */
  explanation: string;
}

/** What is known about the row. */
export interface DroppedRow {
  row: number;
  domain: string;
  split: string;
}

/**
 * Why a row is not in a plan, as far as its record and the scores tell.
 * @param scores columns that may be the one the plan goes by
 */
export function whyDropped(dropped: DroppedRow, record: PlanRecord, scores: ScoreColumn[]): Dropped {
  const column = columnOf(record, scores);
  const place = column ? column.rows.indexOf(dropped.row) : -1;
  const score = place >= 0 ? column!.values[place] : NaN;
  if (column && Number.isNaN(score)) {
    return {
      reason: 'not scored',
      explanation: `has no score in ${column.file} (split ${dropped.split}), which the plan was made from`,
    };
  }
  const { selection } = record;
  if (!selection) return withoutRule(record);
  const rule = describeSelection(selection.selection, record.column);
  if (!column) {
    return {
      reason: 'unknown',
      rule,
      explanation: `kept were ${rule}; give the score table with the column ${record.column ?? 'it goes by'} for this row's part`,
    };
  }
  if (place >= selection.of) {
    return {
      reason: 'not considered',
      rule,
      explanation: `selected was among the first ${selection.of} rows of ${column.file}; this is number ${place}`,
    };
  }
  return missed(dropped, score, selection, rule) ?? withoutRule(record);
}

/** The column that a plan goes by: of those with its name, the one from its file. */
function columnOf({ column, scores: file = '' }: PlanRecord, scores: ScoreColumn[]): ScoreColumn | undefined {
  const named = scores.filter((each) => each.column === column);
  return named.find((each) => each.file === file) ?? named.find((each) => each.file.endsWith(file)) ?? named[0];
}

/** The side of the rule on which a score lies; undefined when the rule keeps it. */
function missed(
  { row, domain }: DroppedRow,
  value: number,
  { selection, seed = 0, ...record }: SelectionRecord,
  rule: string,
): Dropped | undefined {
  const { above, below, perDomain, temperature } = selection;
  const cut: Cut | undefined = perDomain ? record.domains?.[domain] : record;
  const score = perturbedScore(value, row, selection, seed);
  const is = temperature ? `score ${value}, with its noise ${score},` : `score ${value}`;
  if (isThreshold(selection)) {
    if (above !== undefined && score <= above)
      return { reason: 'score', rule, score, lowest: above, explanation: `${is} is not above ${above}` };
    if (below !== undefined && score >= below)
      return { reason: 'score', rule, score, highest: below, explanation: `${is} is not below ${below}` };
    return undefined;
  }
  const where = perDomain ? ` of domain ${domain}` : '';
  if (!cut || cut.lowest === null || cut.highest === null) {
    return { reason: 'score', rule, score, explanation: `nothing is kept${where}: ${rule}` };
  }
  const { lowest, highest } = cut;
  const of = `${rule}: ${cut.kept} of ${cut.of} rows${where}`;
  if (score < lowest)
    return { reason: 'score', rule, score, lowest, explanation: `${is} is below ${lowest}, the lowest kept (${of})` };
  if (score > highest)
    return {
      reason: 'score',
      rule,
      score,
      highest,
      explanation: `${is} is above ${highest}, the highest kept (${of})`,
    };
  if (score === lowest && selection.keep !== 'low')
    return {
      reason: 'tie',
      rule,
      score,
      lowest,
      explanation: `${is} is the lowest kept, but later rows with it fill the number (${of})`,
    };
  if (score === highest && selection.keep !== undefined && selection.keep !== 'high')
    return {
      reason: 'tie',
      rule,
      score,
      highest,
      explanation: `${is} is the highest kept, but earlier rows with it fill the number (${of})`,
    };
  return undefined;
}

/** A row that no rule dropped. */
function withoutRule({ limit, selection, from, drawn }: PlanRecord): Dropped {
  if (drawn !== undefined) {
    const outside = selection || from === undefined ? '' : `, or not in what the plan was made from: ${from}`;
    return {
      reason: 'limit',
      explanation: `is not among the ${drawn} rows that training reads, drawn at random${outside}`,
    };
  }
  if (limit !== undefined) {
    return { reason: 'limit', explanation: `comes after the ${limit} rows that were taken of the order (--limit)` };
  }
  if (from !== undefined && !selection) {
    return { reason: 'not considered', explanation: `is not in what the plan was made from: ${from}` };
  }
  return {
    reason: 'unknown',
    explanation: selection
      ? 'the rule keeps this score: the plan was made from other scores, or changed since'
      : 'the plan does not say what it was made from',
  };
}
