import type { ScoreColumn } from '../score/table.ts';
import { perturbScores } from './gumbel.ts';
import type { PlanRecord, ScoreSource } from './plan-record.ts';
import { describeSelection, isThreshold, type Selection } from './rule.ts';
import { selectPlaces, type Cut, type SelectionRecord } from './selection.ts';

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
 * @param domainOf the domain of any row
 */
export function whyDropped(
  dropped: DroppedRow,
  record: PlanRecord,
  scores: ScoreColumn[],
  domainOf: (row: number) => string,
): Dropped {
  const { selection } = record;
  const source = record.selectedBy ?? record.orderedBy;
  const column = source && columnOf(source, scores);
  const place = column ? column.rows.indexOf(dropped.row) : -1;
  const score = place >= 0 ? column!.values[place] : NaN;
  if (column && Number.isNaN(score)) {
    return {
      reason: 'not scored',
      explanation: `split ${dropped.split}; not among the ${scored(column)} scored rows of ${column.file} that the plan was made from`,
    };
  }
  if (!selection) return withoutRule(record);
  const rule = describeSelection(selection.selection, source?.column);
  if (!column) {
    const wanted = source ? `${source.column} of ${source.file}` : 'the scores it was selected by';
    return { reason: 'unknown', rule, explanation: `kept is ${rule}; give ${wanted} to see what this row has` };
  }
  if (place >= selection.of) {
    return {
      reason: 'not considered',
      rule,
      explanation: `number ${place} of ${column.file}, of which only the first ${selection.of} rows were considered`,
    };
  }
  const isKept = () => keptRows(selection, column, domainOf).includes(dropped.row);
  return missed(dropped, score, selection, rule, isKept) ?? withoutRule(record);
}

/** The rows that a selection keeps, found again. */
function keptRows(record: SelectionRecord, column: ScoreColumn, domainOf: (row: number) => string): Uint32Array {
  const { selection, seed, of } = record;
  const rows = column.rows.subarray(0, of);
  const domains = selection.perDomain ? Array.from(rows, domainOf) : undefined;
  const { places } = selectPlaces(column.values.subarray(0, of), selection, { rows, seed, domains });
  return places.map((place) => rows[place]);
}

const scored = ({ values }: ScoreColumn): number => values.filter((value) => !Number.isNaN(value)).length;

/** The column that a plan goes by: of those with its name, the one from its file. */
function columnOf({ column, file }: ScoreSource, scores: ScoreColumn[]): ScoreColumn | undefined {
  const named = scores.filter((each) => each.column === column);
  return named.find((each) => each.file === file) ?? named.find((each) => each.file.endsWith(file)) ?? named[0];
}

/**
 * What of a rule a row misses; undefined when the rule keeps it.
 * @param isKept whether it does: asked where equal scores lie on both sides of the cut
 */
function missed(
  { row, domain }: DroppedRow,
  value: number,
  { selection, seed = 0, domains, ...whole }: SelectionRecord,
  rule: string,
  isKept: () => boolean,
): Dropped | undefined {
  const [score] = perturbScores(Float64Array.of(value), Uint32Array.of(row), selection, seed);
  const where = selection.perDomain ? ` of domain ${domain}` : '';
  const cut = selection.perDomain ? domains?.[domain] : whole;
  if (cut?.kept === 0) return { reason: 'score', rule, score, explanation: `nothing is kept${where}; kept is ${rule}` };
  for (const { side, at, outside, equal } of limitsOf(selection, cut)) {
    const atLimit = score === at;
    const tie = atLimit && !isThreshold(selection);
    const words = atLimit ? equal : (side === 'lowest' ? score < at : score > at) ? outside : undefined;
    if (words === undefined || (tie && isKept())) continue;
    const [is, limit] = apart(score, at);
    const noise = selection.temperature ? ` (${short(value)} and its noise)` : '';
    return {
      reason: tie ? 'tie' : 'score',
      rule,
      score,
      [side]: at,
      explanation: `score ${is}${noise} is ${words(limit)}${where}; kept is ${rule}`,
    };
  }
  return undefined;
}

/** One side of what a rule keeps. */
interface Limit {
  side: 'lowest' | 'highest';
  at: number;
  /** What a score beyond it is. */
  outside(at: string): string;
  /** What a score right at it is, where such ones may be dropped. */
  equal?(at: string): string;
}

function limitsOf(selection: Selection, cut: Cut | undefined): Limit[] {
  const { above, below, keep = 'high' } = selection;
  const notAbove = (at: string) => `not above ${at}`;
  const notBelow = (at: string) => `not below ${at}`;
  const limits: (Omit<Limit, 'at'> & { at: number | null | undefined })[] = isThreshold(selection)
    ? [
        { side: 'lowest', at: above, outside: notAbove, equal: notAbove },
        { side: 'highest', at: below, outside: notBelow, equal: notBelow },
      ]
    : [
        {
          side: 'lowest',
          at: cut?.lowest,
          outside: (at) => `below ${at}, the lowest kept`,
          equal: keep === 'low' ? undefined : (at) => `${at}, the lowest kept, but later rows with it come first`,
        },
        {
          side: 'highest',
          at: cut?.highest,
          outside: (at) => `above ${at}, the highest kept`,
          equal: keep === 'high' ? undefined : (at) => `${at}, the highest kept, but earlier rows with it come first`,
        },
      ];
  return limits.filter((limit): limit is Limit => typeof limit.at === 'number');
}

/** Six digits of a number. */
const short = (x: number): string => String(Number(x.toPrecision(6)));

/** Two numbers in six digits, or in all where these would not tell them apart. */
function apart(a: number, b: number): [string, string] {
  return a !== b && short(a) === short(b) ? [String(a), String(b)] : [short(a), short(b)];
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
    return { reason: 'limit', explanation: `comes after the ${limit} rows that were taken of the order` };
  }
  if (from !== undefined && !selection) {
    return { reason: 'not considered', explanation: `not in what the plan was made from: ${from}` };
  }
  return {
    reason: 'unknown',
    explanation: selection
      ? 'the rule keeps this score: the plan was made from other scores, or changed since'
      : 'the plan does not say what it was made from',
  };
}
