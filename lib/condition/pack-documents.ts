import {
  checkInteger,
  checkLength,
  checkList,
  checkObject,
  checkOptions,
  invalid,
  type OptionNames,
} from '../check.ts';
import type { PackCounts } from './pack/counts.ts';
import { RowPacker, type PackedRow, type PackOptions } from './pack/row-packer.ts';

/** A document: its tokens, or a row with labels of its own, as conditionDocument makes it. */
export type PackableDocument = ArrayLike<number> | { inputIds: ArrayLike<number>; labels?: ArrayLike<number> };

const OPTIONS: OptionNames<PackOptions> = {
  length: true,
  strategy: true,
  bufferTokens: true,
  crossDocumentAttention: true,
};

/** Token ids and −100. */
const INT32_MAX = 2 ** 31 - 1;

/**
 * Documents packed into rows of at most `length` tokens, for `collate`: no attention and no prediction crosses from one
 * document to another. The last row, or with 'best-fit' any, may be shorter. Deterministic.
 * @returns the rows, with the numbers of the documents in each, and what became of the tokens
 * @throws GradfoldError INVALID_ARGUMENT naming the document
 */
export function packDocuments(
  documents: Iterable<PackableDocument>,
  options: PackOptions,
): { rows: PackedRow[]; counts: PackCounts } {
  const rows: PackedRow[] = [];
  const packing = packRows(documents, options);
  for (;;) {
    const { done, value } = packing.next();
    if (done) return { rows, counts: value };
    rows.push(value);
  }
}

/** The same, row by row: memory holds the row under way, with 'best-fit' a buffer of `bufferTokens` tokens. */
export function* packRows(
  documents: Iterable<PackableDocument>,
  options: PackOptions,
): Generator<PackedRow, PackCounts, void> {
  checkOptions('options', options, OPTIONS);
  if (typeof documents !== 'object' || documents === null || !(Symbol.iterator in documents)) {
    throw invalid('documents', 'an array of documents, or another iterable', documents);
  }
  const packer = new RowPacker<number>(options);
  let index = 0;
  for (const document of documents) {
    yield* packer.add(checked(`documents[${index}]`, document), index);
    index++;
  }
  yield* packer.finish();
  return packer.counts;
}

function checked(name: string, document: PackableDocument): { inputIds: Int32Array; labels: Int32Array } {
  if (Array.isArray(document) || ArrayBuffer.isView(document)) {
    const inputIds = integers(name, document as ArrayLike<number>, 0);
    return { inputIds, labels: inputIds };
  }
  checkObject(name, document);
  const { inputIds, labels } = document as Exclude<PackableDocument, ArrayLike<number>>;
  const ids = integers(`${name}.inputIds`, inputIds, 0);
  if (labels === undefined) return { inputIds: ids, labels: ids };
  checkLength(`${name}.labels`, labels, ids.length, 'one a token');
  return { inputIds: ids, labels: integers(`${name}.labels`, labels, -INT32_MAX) };
}

function integers(name: string, values: ArrayLike<number>, least: number): Int32Array {
  checkList(name, values);
  for (let t = 0; t < values.length; t++) checkInteger(`${name}[${t}]`, values[t], least, INT32_MAX);
  return Int32Array.from(values);
}
