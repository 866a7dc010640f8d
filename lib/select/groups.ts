/** A partition of places: names in order, which of them each place belongs to, and the places of each, ascending. */
export interface Groups {
  names: string[];
  codes: Uint32Array;
  members: Uint32Array[];
}

/** 0 … n − 1. */
export function everyPlace(n: number): Uint32Array {
  const places = new Uint32Array(n);
  for (let i = 0; i < n; i++) places[i] = i;
  return places;
}

/** The groups of n places by name, or one that holds all. */
export function groupsOf(n: number, names?: ArrayLike<string>): Groups {
  const codes = new Uint32Array(n);
  if (!names) return { names: [''], codes, members: [everyPlace(n)] };
  const distinct = new Set<string>();
  for (let i = 0; i < n; i++) distinct.add(names[i]);
  const sorted = [...distinct].sort();
  const codeOf = new Map(sorted.map((name, code) => [name, code]));
  for (let i = 0; i < n; i++) codes[i] = codeOf.get(names[i])!;
  return { names: sorted, codes, members: membersOf(codes, sorted.length) };
}

/** The places with each code: views of one buffer. */
function membersOf(codes: Uint32Array, groups: number): Uint32Array[] {
  const starts = new Uint32Array(groups + 1);
  for (let place = 0; place < codes.length; place++) starts[codes[place] + 1]++;
  for (let group = 0; group < groups; group++) starts[group + 1] += starts[group];
  const places = new Uint32Array(codes.length);
  const next = starts.slice();
  for (let place = 0; place < codes.length; place++) places[next[codes[place]]++] = place;
  return Array.from({ length: groups }, (_, group) => places.subarray(starts[group], starts[group + 1]));
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
