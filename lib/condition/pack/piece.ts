/** A document on its way into rows. */
export interface PackedDocument<T> {
  inputIds: Int32Array;
  labels: Int32Array;
  /** What the row is to remember of it. */
  source: T;
}

/** Its tokens [from, to): what one row holds of it. */
export interface Piece<T> {
  document: PackedDocument<T>;
  from: number;
  to: number;
}

/** How pieces come into rows of at most `length` tokens. Rows are given out as soon as nothing can be added to them. */
export interface Packer<T> {
  add(document: PackedDocument<T>): Iterable<Piece<T>[]>;
  /** The rows that are not full. */
  finish(): Iterable<Piece<T>[]>;
}

/** A piece that keeps no more memory than its own tokens take: a document's last tokens would keep all of it. */
export function detached<T>({ document, from, to }: Piece<T>): Piece<T> {
  const part = { inputIds: document.inputIds.slice(from, to), labels: document.labels.slice(from, to) };
  return { document: { ...document, ...part }, from: 0, to: to - from };
}
