import { invalid } from '../check.ts';
import type { OrderMethod } from '../order/methods.ts';
import type { SelectionRecord } from './selection.ts';

/** A score column and the path of its file. */
export interface ScoreSource {
  column: string;
  file: string;
}

/** What a plan was made from, as far as it is known: kept with it, so that it can be said why a row is not in it. */
export interface PlanRecord {
  /** What decided which rows are in the plan, and by which scores. */
  selection?: SelectionRecord;
  selectedBy?: ScoreSource;
  /** What decided their order, and by which scores. */
  order?: OrderMethod;
  orderedBy?: ScoreSource;
  /** Which rows there were to choose from, in words, where no selection says it. */
  from?: string;
  /** Of the kept rows so many were drawn at random before they were ordered: as many as training reads. */
  drawn?: number;
  /** Only so many of the ordered rows were taken. */
  limit?: number;
}

const KEY = 'gradfold.plan';

/** The record as metadata of the plan's file. */
export function recordMetadata(record: PlanRecord): Record<string, string> {
  return { [KEY]: JSON.stringify(record, infinityToText) };
}

/**
 * The record that stands in a plan's metadata; an empty one where none does.
 * @throws GradfoldError INVALID_FILE for one that cannot be parsed.
 */
export function recordOf(path: string, metadata: Record<string, string>): PlanRecord {
  try {
    return JSON.parse(metadata[KEY] ?? '{}', textToInfinity) as PlanRecord;
  } catch (cause) {
    throw invalid(`${path}, metadata ${KEY}`, 'JSON', metadata[KEY], { code: 'INVALID_FILE', cause });
  }
}

// JSON has no infinite numbers, but scores and thresholds may be infinite.
const infinityToText = (_: string, value: unknown): unknown =>
  value === Infinity || value === -Infinity ? String(value) : value;
const textToInfinity = (_: string, value: unknown): unknown =>
  value === 'Infinity' || value === '-Infinity' ? Number(value) : value;
