/** 24 observations of four columns, two of them correlated, and a target that is not quite a sum of them. */
export function regressionCase(): { columns: number[][]; y: number[] } {
  const at = Array.from({ length: 24 }, (_, i) => i);
  const first = at.map((i) => Math.sin(1.3 * i));
  const second = at.map((i) => Math.cos(0.7 * i) + 0.5 * Math.sin(1.3 * i));
  const third = at.map((i) => (i % 5) - 2);
  const fourth = at.map((i) => (i * i) % 7);
  const y = at.map((i) => 2 * first[i] - third[i] + 0.3 * fourth[i] + 0.5 * Math.sin(5.1 * i + 1));
  return { columns: [first, second, third, fourth], y };
}
