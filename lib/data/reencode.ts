import type { Tokenizer } from './tokenizer.ts';

/**
 * Turns the tokens of one tokenizer into those of another: decoded, then encoded. An end-of-text token at the end stays
 * one where the other tokenizer has it.
 * @param maxTokens what comes after them is cut off
 */
export function reencoder(
  from: Tokenizer,
  to: Tokenizer,
  maxTokens = Infinity,
): (tokens: ArrayLike<number>) => Int32Array {
  return (tokens) => {
    const ids = Int32Array.from(tokens);
    const ended = from.endOfTextId !== null && ids.at(-1) === from.endOfTextId;
    const encoded = to.encode(from.decode(ended ? ids.subarray(0, -1) : ids));
    const end = ended && to.endOfTextId !== null ? [to.endOfTextId] : [];
    return Int32Array.from([...encoded, ...end]).subarray(0, Math.min(maxTokens, encoded.length + end.length));
  };
}
