import type { TransformerShape } from '../../model/shape.ts';
import type { EngineBatch } from '../types.ts';

/** A run of tokens that attend to each other only, and what each of them is to predict. */
export interface Document {
  inputIds: Int32Array;
  /** One a token; zeros where the batch has none. */
  tokenTypeIds: Int32Array;
  /** Positions that predict, ascending. */
  positions: Int32Array;
  /** The token each of them is to predict. */
  targets: Int32Array;
}

type Objective = TransformerShape['objective'];

/** One sample: its loss is the mean over all predictions of its documents. */
export type Sample = Document[];

/**
 * Cuts a batch into samples of documents: rows lose their padding, packed rows fall into their documents. For
 * next tokens position t predicts labels[t + 1] when t + 1 is a token of the same document and that label is not −100;
 * for masked ones it predicts labels[t].
 */
export function samplesOf(batch: EngineBatch, objective: Objective): Sample[] {
  const samples: Sample[] = [];
  for (let row = 0; row < batch.batch; row++) {
    const documents = documentsOfRow(batch, row * batch.time, objective);
    if (batch.granularity === 'row') samples.push(documents);
    else for (const document of documents) samples.push([document]);
  }
  if (samples.length !== batch.samples) throw new RangeError(`${samples.length} samples, not ${batch.samples}`);
  return samples;
}

function documentsOfRow(batch: EngineBatch, rowStart: number, objective: Objective): Document[] {
  const idOf = (at: number): number => batch.documentIds?.[at] ?? 0;
  let rowEnd = rowStart;
  while (rowEnd < rowStart + batch.time && batch.attentionMask[rowEnd]) rowEnd++;
  const documents: Document[] = [];
  let start = rowStart;
  for (let end = rowStart + 1; end <= rowEnd; end++) {
    if (end < rowEnd && idOf(end) === idOf(start)) continue;
    documents.push(documentOf(batch, start, end, objective));
    start = end;
  }
  return documents;
}

function documentOf(batch: EngineBatch, start: number, end: number, objective: Objective): Document {
  const labels = batch.labels.subarray(objective === 'next-token' ? start + 1 : start, end);
  const positions = Int32Array.from(labels.keys()).filter((t) => labels[t] !== -100);
  return {
    inputIds: batch.inputIds.subarray(start, end),
    tokenTypeIds: batch.tokenTypeIds?.subarray(start, end) ?? new Int32Array(end - start),
    positions,
    targets: positions.map((t) => labels[t]),
  };
}
