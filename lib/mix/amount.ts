/** An amount as short as it is told apart: 1.2e9, 350000, 0.2. */
export function amount(x: number, digits = 4): string {
  const rounded = Number(x.toPrecision(digits));
  return rounded !== 0 && (Math.abs(rounded) >= 1e6 || Math.abs(rounded) < 1e-3)
    ? rounded.toExponential().replace('e+', 'e')
    : String(rounded);
}
