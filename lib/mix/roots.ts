/**
 * Where a continuous function changes sign, to the last bit: bisection until no double lies between the ends.
 * @param low where `f` is of one sign, `high` where it is of the other, or 0
 */
export function bisect(f: (x: number) => number, low: number, high: number): number {
  const rising = f(high) > 0 || f(low) < 0;
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= Math.min(low, high) || middle >= Math.max(low, high)) return middle;
    if (f(middle) < 0 === rising) low = middle;
    else high = middle;
  }
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Where a function with one minimum between `low` and `high` has it, by golden sections, to about 1e-8 of their distance. */
export function minimize(f: (x: number) => number, low: number, high: number): number {
  let [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
  let [atLeft, atRight] = [f(left), f(right)];
  for (let i = 0; i < 60; i++) {
    if (atLeft < atRight) {
      [high, right, atRight] = [right, left, atLeft];
      left = high - GOLDEN * (high - low);
      atLeft = f(left);
    } else {
      [low, left, atLeft] = [left, right, atRight];
      right = low + GOLDEN * (high - low);
      atRight = f(right);
    }
  }
  return (low + high) / 2;
}
