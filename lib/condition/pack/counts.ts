/** What became of documents that were packed. */
export interface PackCounts {
  documents: number;
  rows: number;
  /** Tokens in rows. */
  tokens: number;
  /** Those of them that are predicted. */
  predictedTokens: number;
  /** Tokens that were dropped. */
  truncatedTokens: number;
  /** Documents that are not whole in one row. */
  cutDocuments: number;
  /** Positions of rows without a token. */
  padding: number;
  /** Of all positions. */
  paddingShare: number;
}

export type CountedTokens = Omit<PackCounts, 'paddingShare'>;

export function withShare(counts: CountedTokens): PackCounts {
  return { ...counts, paddingShare: counts.padding === 0 ? 0 : counts.padding / (counts.padding + counts.tokens) };
}

/** Numbers by name, added up name by name. */
export function summed<T extends { [name in keyof T]: number }>(parts: readonly T[]): T {
  const names = Object.keys(parts[0]) as (keyof T)[];
  const sums = names.map((name) => [name, parts.reduce((sum, part) => sum + part[name], 0)]);
  return Object.fromEntries(sums) as T;
}

/** The counts of several parts as those of the whole. */
export function sumCounts(parts: readonly PackCounts[]): PackCounts {
  return withShare(summed<CountedTokens>(parts));
}
