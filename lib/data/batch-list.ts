import { invalid } from '../check.ts';
import type { Batch } from './batch.ts';

/**
 * Batches by index. An array is one; a list that makes each batch when it is asked for keeps memory free of rows that are
 * not being worked on. Asked twice, it must give the same rows.
 */
export interface BatchList extends Iterable<Batch> {
  readonly length: number;
  at(index: number): Batch | undefined;
}

/** @throws GradfoldError INVALID_ARGUMENT for anything else, or no batches */
export function checkBatchList(name: string, batches: BatchList): BatchList {
  const list: Partial<BatchList> | null = typeof batches === 'object' ? batches : null;
  if (!list || !(list.length! >= 1) || typeof list.at !== 'function' || !(Symbol.iterator in list)) {
    throw invalid(name, 'at least one batch', batches);
  }
  return batches;
}

/** Rows of each batch. */
export function rowCounts(batches: BatchList): number[] {
  return Array.from(batches, ({ batch }) => batch);
}

/** A batch in parts of at most `size` rows, in order. */
export function* batchParts(batch: Batch, size: number): Generator<Batch> {
  if (batch.batch <= size) yield batch;
  else for (let start = 0; start < batch.batch; start += size) yield batchRows(batch, start, start + size);
}

/** Rows [start, end) of a batch, or those up to its last; as views. */
export function batchRows(batch: Batch, start: number, end: number): Batch {
  const { time } = batch;
  const last = Math.min(end, batch.batch);
  const part = <A extends Int32Array | Uint8Array>(values: A): A => values.subarray(start * time, last * time) as A;
  const { inputIds, labels, attentionMask, documentIds, tokenTypeIds } = batch;
  return {
    batch: last - start,
    time,
    inputIds: part(inputIds),
    labels: part(labels),
    ...(attentionMask && { attentionMask: part(attentionMask) }),
    ...(documentIds && { documentIds: part(documentIds) }),
    ...(tokenTypeIds && { tokenTypeIds: part(tokenTypeIds) }),
  };
}
