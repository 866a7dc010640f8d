import { checkInteger, invalid } from '../check.ts';
import { IGNORED_LABEL, type TokenRow } from '../data/batch.ts';
import { rowOf } from '../data/token-source.ts';
import { concatenated } from './log-likelihood.ts';
import type { EvaluatedSamples } from './perplexity.ts';

/**
 * Samples with tokens before each row that are read and get no loss: conditional inference as in MeCo (Gao et al. 2025).
 * Every token of the row is predicted, the first one from the prefix; with an empty prefix it is not. What a row begins
 * with that has no label (the begin token, metadata of its own) gives way to the prefix. A row holds one document.
 */
export class PrefixedSamples implements EvaluatedSamples {
  readonly #samples: EvaluatedSamples;
  readonly #prefix: (row: number) => ArrayLike<number>;
  readonly #rowTokens: number;

  /**
   * @param prefix of all rows, or of each
   * @param rowTokens of a row at most, what is beyond is cut off: so that under prefixes of any length the same tokens
   *   are predicted, and all of it fits into the model's window
   */
  constructor(
    samples: EvaluatedSamples,
    prefix: ArrayLike<number> | ((row: number) => ArrayLike<number>),
    rowTokens = Infinity,
  ) {
    this.#samples = samples;
    this.#prefix = typeof prefix === 'function' ? prefix : () => prefix;
    this.#rowTokens = rowTokens === Infinity ? rowTokens : checkInteger('rowTokens', rowTokens, 1);
  }

  tokens(row: number): Int32Array {
    const { inputIds, labels, documentIds } = rowOf(this.#samples, row);
    const last = documentIds ? documentIds.length - 1 : 0;
    if (documentIds && documentIds[0] !== documentIds[last]) {
      throw invalid(`row ${row}`, 'one document, to put a prefix before', 'several', {
        code: 'INVALID_DATA',
        fix: 'evaluate rows of a split that is not packed, such as validation',
      });
    }
    let begin = 0;
    while (labels && begin < labels.length && labels[begin] === IGNORED_LABEL) begin++;
    return concatenated(this.#prefix(row), Array.from(inputIds).slice(begin, begin + this.#rowTokens));
  }

  row(row: number): TokenRow {
    const inputIds = this.tokens(row);
    const labels = inputIds.slice();
    labels.fill(IGNORED_LABEL, 0, this.#prefix(row).length);
    return { inputIds, labels };
  }

  domain(row: number): string {
    return this.#samples.domain(row);
  }
}
