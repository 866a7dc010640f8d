import type { Samples, Split } from '../data/samples.ts';
import type { Plan } from '../order/plan.ts';
import type { ScoreColumn } from '../score/table.ts';
import { whyDropped, type Dropped } from './dropped.ts';
import type { PlanRecord } from './plan-record.ts';

/** A plan, what it is called, and what it was made from. */
export interface TracedPlan {
  name: string;
  plan: Plan;
  record: PlanRecord;
}

/** What rows are looked up in. */
export interface TraceSources {
  samples: Samples;
  scores: ScoreColumn[];
  plans: TracedPlan[];
}

export interface ScoreTrace {
  file: string;
  column: string;
  /** null where the row has none. */
  value: number | null;
  /** 1 for the highest score; equal ones share the better rank. */
  rank: number | null;
  /** Of 100: the share of scored rows with a lower score, equal ones (the row itself too) counting half. */
  percentile: number | null;
  /** Scored rows. */
  of: number;
}

export interface PlanTrace {
  plan: string;
  /** Rows of the plan. */
  of: number;
  /** Where in the training order the row comes, counted from 0; nowhere when it was dropped. */
  positions: number[];
  layer: number | null;
  weight: number | null;
  /** Why it is not in the plan. */
  dropped: Dropped | null;
}

export interface RowTrace {
  row: number;
  document: number;
  domain: string;
  split: Split;
  tokens: number;
  scores: ScoreTrace[];
  plans: PlanTrace[];
}

/** What became of rows of the samples: their scores, and their place in each plan or what dropped them. */
export function traceRows(rows: ArrayLike<number>, sources: TraceSources): RowTrace[] {
  const positions = sources.plans.map(({ plan }) => positionsOf(plan, new Set(Array.from(rows))));
  return Array.from(rows, (row) => {
    const { samples, scores, plans } = sources;
    return {
      row,
      document: samples.document(row),
      domain: samples.domain(row),
      split: samples.split(row),
      tokens: samples.tokens(row).length,
      scores: scores.map((column) => traceScore(row, column)),
      plans: plans.map((traced, i) => tracePlan(row, traced, positions[i].get(row) ?? [], sources)),
    };
  });
}

/** Rows of the samples that were cut from a document, ascending. */
export function rowsOfDocument(samples: Samples, document: number): number[] {
  const rows = Array.from({ length: samples.count }, (_, row) => row);
  return rows.filter((row) => samples.document(row) === document);
}

function positionsOf(plan: Plan, wanted: Set<number>): Map<number, number[]> {
  const positions = new Map<number, number[]>();
  plan.rows.forEach((row, position) => {
    if (wanted.has(row)) positions.set(row, [...(positions.get(row) ?? []), position]);
  });
  return positions;
}

function traceScore(row: number, { file, column, rows, values }: ScoreColumn): ScoreTrace {
  const value = values[rows.indexOf(row)] ?? NaN;
  let [of, higher, lower] = [0, 0, 0];
  for (const other of values) {
    if (!Number.isNaN(other)) of++;
    if (other > value) higher++;
    if (other < value) lower++;
  }
  if (Number.isNaN(value)) return { file, column, value: null, rank: null, percentile: null, of };
  const equal = of - higher - lower;
  return { file, column, value, rank: higher + 1, percentile: (100 * (lower + equal / 2)) / of, of };
}

function tracePlan(
  row: number,
  { name, plan, record }: TracedPlan,
  positions: number[],
  { samples, scores }: TraceSources,
): PlanTrace {
  const of = plan.rows.length;
  const [first] = positions;
  if (first === undefined) {
    const domainOf = (of: number) => samples.domain(of);
    const dropped = whyDropped({ row, domain: domainOf(row), split: samples.split(row) }, record, scores, domainOf);
    return { plan: name, of, positions, layer: null, weight: null, dropped };
  }
  return { plan: name, of, positions, layer: plan.layers[first], weight: plan.weights[first], dropped: null };
}
