/** A partition of places: names in order, and which of them each place belongs to. */
export interface Groups {
  names: string[];
  codes: Uint32Array;
}

/** The groups of n places: by name, or one that holds all. */
export function groupsOf(n: number, names?: ArrayLike<string>): Groups {
  if (!names) return { names: [''], codes: new Uint32Array(n) };
  const distinct = new Set<string>();
  for (let i = 0; i < n; i++) distinct.add(names[i]);
  const sorted = [...distinct].sort();
  const codeOf = new Map(sorted.map((name, code) => [name, code]));
  return { names: sorted, codes: Uint32Array.from({ length: n }, (_, i) => codeOf.get(names[i])!) };
}

/** The places of each group, ascending: views of one buffer. */
export function placesOf({ names, codes }: Groups): Uint32Array[] {
  const starts = new Uint32Array(names.length + 1);
  for (const code of codes) starts[code + 1]++;
  for (let group = 0; group < names.length; group++) starts[group + 1] += starts[group];
  const all = new Uint32Array(codes.length);
  const next = starts.slice();
  codes.forEach((code, place) => (all[next[code]++] = place));
  return names.map((_, group) => all.subarray(starts[group], starts[group + 1]));
}

/**
 * Divides `total` among groups in proportion to their sizes, exactly: each has ⌊total · size / n⌋, and those with the
 * largest remainders (the earlier ones among equals) one more until all is given out. total ≤ n = Σ sizes.
 */
export function apportion(sizes: number[], total: number): number[] {
  const n = BigInt(sizes.reduce((sum, size) => sum + size, 0));
  if (n === 0n) return sizes.map(() => 0);
  const products = sizes.map((size) => BigInt(size) * BigInt(total)); // beyond what a double holds exactly
  const shares = products.map((product) => Number(product / n));
  const left = total - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = products
    .map((product, group) => ({ group, remainder: product % n }))
    .sort((a, b) => (a.remainder === b.remainder ? a.group - b.group : a.remainder < b.remainder ? 1 : -1));
  for (const { group } of byRemainder.slice(0, left)) shares[group]++;
  return shares;
}
