import type { EngineBatch } from '../backend/types.ts';
import { checkInteger, checkLength, checkList, checkObject, invalid } from '../check.ts';
import type { TransformerShape } from '../model/shape.ts';

/** Token rows of one step, row-major [batch, time]. Padding, if any, is on the right. */
export interface Batch {
  batch: number;
  time: number;
  inputIds: Int32Array;
  /**
   * Hugging Face convention: as long as inputIds, −100 ignored. A decoder's are shifted by one inside the loss; those of
   * a masked-token model stand where they are predicted.
   */
  labels: Int32Array;
  /** 1 = token, 0 = padding; all ones when absent. */
  attentionMask?: Uint8Array;
  /**
   * Packed rows: attention and labels never cross documents, positions restart. A document is a run of tokens with one id,
   * any but −1; an id names at most one document of a row. On padding the ids do not matter, `collate` writes −1.
   */
  documentIds?: Int32Array;
  /** For models with token types (BERT's segments); all 0 when absent. */
  tokenTypeIds?: Int32Array;
}

/** One row before padding. */
export interface TokenRow {
  inputIds: ArrayLike<number>;
  /** As long as inputIds; default: a copy of inputIds. */
  labels?: ArrayLike<number>;
  /** As long as inputIds, for packed rows; either all rows of a batch have them or none. */
  documentIds?: ArrayLike<number>;
  /** As long as inputIds, for models with token types; either all rows of a batch have them or none. */
  tokenTypeIds?: ArrayLike<number>;
}

export interface CollateOptions {
  /** Id put on padding; default 0. It is never read by a model. */
  paddingId?: number;
  /** Length of the batch's rows; default: that of the longest row. */
  length?: number;
}

/** What a model can take: 0 positions are as many as come, 0 token types none. */
export type BatchLimits = Pick<TransformerShape, 'vocabSize' | 'learnedPositions' | 'tokenTypes'>;

/** The label of a position that is not predicted. */
export const IGNORED_LABEL = -100;
const NO_DOCUMENT = -1;
const INT32_MAX = 2 ** 31 - 1;

/**
 * Tokens that a decoder predicts in a row: what its loss is the mean over. The first token of the row, or of each of its
 * documents, is not predicted, whatever its label.
 */
export function predictedTokens({ inputIds, labels = inputIds, documentIds }: TokenRow): number {
  let predicted = 0;
  for (let t = 1; t < inputIds.length; t++) {
    if (labels[t] !== IGNORED_LABEL && (!documentIds || documentIds[t] === documentIds[t - 1])) predicted++;
  }
  return predicted;
}

/** Tokens that an encoder of masked tokens predicts in a row: all that have a label. */
export function labelledTokens({ inputIds, labels = inputIds }: TokenRow): number {
  return Array.from(labels).filter((label) => label !== IGNORED_LABEL).length;
}

/**
 * Puts rows of any lengths into one batch, padded on the right.
 * @throws GradfoldError INVALID_ARGUMENT naming the row: no rows, a row longer than `length`, labels, documentIds or
 * tokenTypeIds of another length than inputIds, a value that is not a 32-bit integer.
 */
export function collate(rows: readonly TokenRow[], options: CollateOptions = {}): Batch {
  if (!Array.isArray(rows)) throw invalid('rows', 'an array of rows', rows);
  checkObject('options', options);
  if (rows.length === 0) throw invalid('rows', 'at least one row', rows);
  const paddingId = checkInteger('paddingId', options.paddingId ?? 0, 0, INT32_MAX);
  rows.forEach((row: TokenRow, r) => {
    checkObject(`rows[${r}]`, row);
    checkList(`rows[${r}].inputIds`, row.inputIds);
  });
  const longest = rows.reduce((most, row) => Math.max(most, row.inputIds.length), 0);
  const time = checkInteger('length', options.length ?? longest, 1);
  const tokens = checkInteger('rows × length', rows.length * time, 1, INT32_MAX);
  const batch = {
    batch: rows.length,
    time,
    inputIds: new Int32Array(tokens).fill(paddingId),
    labels: new Int32Array(tokens).fill(IGNORED_LABEL),
    attentionMask: new Uint8Array(tokens),
  };
  const documentIds = rows[0].documentIds && new Int32Array(tokens).fill(NO_DOCUMENT);
  const tokenTypeIds = rows[0].tokenTypeIds && new Int32Array(tokens);
  const optional = [
    ['documentIds', documentIds],
    ['tokenTypeIds', tokenTypeIds],
  ] as const;
  rows.forEach((row, r) => {
    const length = row.inputIds.length;
    if (length > time) throw invalid(`rows[${r}].inputIds`, `at most ${time} tokens`, length);
    const start = r * time;
    fillRow(batch.inputIds, start, row.inputIds, length, `rows[${r}].inputIds`);
    fillRow(batch.labels, start, row.labels ?? row.inputIds, length, `rows[${r}].labels`);
    for (const [name, into] of optional) {
      const ids = row[name];
      if (!ids !== !into) {
        throw invalid(`rows[${r}].${name}`, into ? 'ids, as in rows[0]' : 'none, as in rows[0]', ids);
      }
      if (into) fillRow(into, start, ids!, length, `rows[${r}].${name}`);
    }
    batch.attentionMask.fill(1, start, start + length);
  });
  return { ...batch, ...(documentIds && { documentIds }), ...(tokenTypeIds && { tokenTypeIds }) };
}

function fillRow(into: Int32Array, start: number, values: ArrayLike<number>, length: number, name: string): void {
  checkLength(name, values, length, 'one a token');
  for (let t = 0; t < length; t++)
    into[start + t] = checkInteger(`${name}[${t}]`, values[t], -INT32_MAX - 1, INT32_MAX);
}

/**
 * Checks a batch against a model and resolves what a sample is.
 * @throws GradfoldError INVALID_ARGUMENT naming the row and position of the first thing that is wrong.
 */
export function checkBatch(batch: Batch, limits: BatchLimits, granularity: 'row' | 'document' = 'row'): EngineBatch {
  const [rows, time] = checkSize(batch);
  checkArray('inputIds', batch.inputIds, Int32Array, rows, time);
  checkArray('labels', batch.labels, Int32Array, rows, time);
  const attentionMask = batch.attentionMask ?? new Uint8Array(rows * time).fill(1);
  checkArray('attentionMask', attentionMask, Uint8Array, rows, time);
  if (batch.documentIds) checkArray('documentIds', batch.documentIds, Int32Array, rows, time);
  if (batch.tokenTypeIds) checkArray('tokenTypeIds', batch.tokenTypeIds, Int32Array, rows, time);
  if (batch.tokenTypeIds && limits.tokenTypes === 0) {
    throw invalid('batch.tokenTypeIds', 'none (the model has no token types)', batch.tokenTypeIds);
  }
  if (granularity !== 'row' && granularity !== 'document') {
    throw invalid('granularity', '"row" or "document"', granularity);
  }
  if (granularity === 'document' && !batch.documentIds) {
    throw invalid('batch.documentIds', 'document ids (granularity is "document")', undefined);
  }
  let documents = 0;
  for (let row = 0; row < rows; row++) {
    const length = checkMask(attentionMask, row, time);
    checkTokens(batch, row, length, limits);
    const starts = batch.documentIds ? documentStarts(batch.documentIds, row, length, time) : [0];
    checkPositions(row, [...starts, length], limits.learnedPositions);
    documents += starts.length;
  }
  return { ...batch, attentionMask, granularity, samples: granularity === 'document' ? documents : rows };
}

/**
 * The same for rows that are rated: labels play no part, and each row needs a token.
 * @throws GradfoldError INVALID_ARGUMENT as checkBatch, or naming a row without any token.
 */
export function checkRows(batch: Omit<Batch, 'labels'>, limits: BatchLimits): EngineBatch {
  const [rows, time] = checkSize(batch);
  checkArray('inputIds', batch.inputIds, Int32Array, rows, time);
  const checked = checkBatch({ ...batch, labels: new Int32Array(rows * time).fill(IGNORED_LABEL) }, limits);
  for (let row = 0; row < checked.batch; row++) {
    if (checked.attentionMask[row * checked.time] === 0) {
      throw invalid(`batch.attentionMask, row ${row}`, 'at least one token to rate', 'a row of padding');
    }
  }
  return checked;
}

function checkSize(batch: Pick<Batch, 'batch' | 'time'>): [rows: number, time: number] {
  checkObject('batch', batch);
  const rows = checkInteger('batch.batch', batch.batch, 1);
  const time = checkInteger('batch.time', batch.time, 1);
  checkInteger('batch.batch × batch.time', rows * time, 1, INT32_MAX);
  return [rows, time];
}

function checkArray(
  name: string,
  array: unknown,
  type: Int32ArrayConstructor | Uint8ArrayConstructor,
  rows: number,
  time: number,
): void {
  if (!(array instanceof type)) throw invalid(`batch.${name}`, `${type.name} of ${rows} x ${time}`, array);
  checkLength(`batch.${name}`, array, rows * time, `${rows} rows x ${time} positions`);
}

/** The number of tokens of a row, all padding being on its right. */
function checkMask(mask: Uint8Array, row: number, time: number): number {
  let length = 0;
  for (let t = 0; t < time; t++) {
    const value = mask[row * time + t];
    if (value > 1) throw invalid(at('attentionMask', row, t), '0 or 1', value);
    if (value === 1 && length < t) {
      throw invalid(at('attentionMask', row, t), '0 after padding', 1, { fix: 'pad rows on the right' });
    }
    length += value;
  }
  return length;
}

function checkTokens(batch: Batch, row: number, length: number, { vocabSize, tokenTypes }: BatchLimits): void {
  const known = (id: number) => id >= 0 && id < vocabSize;
  for (let t = 0; t < batch.time; t++) {
    const id = batch.inputIds[row * batch.time + t];
    const label = batch.labels[row * batch.time + t];
    if (t < length && !known(id)) {
      throw invalid(at('inputIds', row, t), `an id in [0, ${vocabSize}), the model's vocabulary`, id);
    }
    const type = batch.tokenTypeIds?.[row * batch.time + t] ?? 0;
    if (t < length && batch.tokenTypeIds && (type < 0 || type >= tokenTypes)) {
      throw invalid(at('tokenTypeIds', row, t), `a type in [0, ${tokenTypes})`, type);
    }
    if (label === IGNORED_LABEL) continue;
    if (t >= length) throw invalid(at('labels', row, t), `${IGNORED_LABEL} on padding`, label);
    if (!known(label)) {
      throw invalid(at('labels', row, t), `${IGNORED_LABEL} or an id in [0, ${vocabSize})`, label);
    }
  }
}

/** Where the documents of a row begin. */
function documentStarts(documentIds: Int32Array, row: number, length: number, time: number): number[] {
  const starts: number[] = [];
  const seen = new Set<number>();
  for (let t = 0; t < length; t++) {
    const id = documentIds[row * time + t];
    if (id === NO_DOCUMENT) throw invalid(at('documentIds', row, t), `a document on a token, not ${NO_DOCUMENT}`, id);
    if (t > 0 && id === documentIds[row * time + t - 1]) continue;
    if (seen.has(id)) {
      throw invalid(at('documentIds', row, t), 'an id that no document before it in the row has', id, {
        fix: 'keep the tokens of a document together',
      });
    }
    seen.add(id);
    starts.push(t);
  }
  return starts;
}

/** Positions count from 0 in each document, which lie between neighbouring bounds. */
function checkPositions(row: number, bounds: number[], positions: number): void {
  if (positions === 0) return;
  for (let i = 1; i < bounds.length; i++) {
    const length = bounds[i] - bounds[i - 1];
    if (length <= positions) continue;
    throw invalid(
      at('inputIds', row, bounds[i - 1]),
      `at most ${positions} tokens, the model's max positions`,
      length,
      {
        fix: 'cut longer sequences',
      },
    );
  }
}

function at(name: string, row: number, position: number): string {
  return `batch.${name}, row ${row}, position ${position}`;
}
