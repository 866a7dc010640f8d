/** Token rows of one step, row-major [batch, time]. Padding, if any, is on the right. */
export interface Batch {
  batch: number;
  time: number;
  inputIds: Int32Array;
  /** Hugging Face convention: as long as inputIds, −100 ignored, shifted by one inside the loss. */
  labels: Int32Array;
  /** 1 = token, 0 = padding; all ones when absent. */
  attentionMask?: Uint8Array;
  /** Packed rows: attention and labels never cross documents, positions restart; −1 on padding. */
  documentIds?: Int32Array;
}
