import { expect } from 'vitest';
import { largestRelativeError, norm, type Fixture, type TensorRecord } from './fixtures.ts';

/** A dot product's rounding error scales with the product of its two norms, not with the dot product. */
export function expectDots(
  actual: Float64Array,
  expected: number[],
  gradientNorms: number[],
  vectorNorm: number,
  tolerance: number,
): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((dot, i) => {
    expect(Math.abs(actual[i] - dot)).toBeLessThanOrEqual(tolerance * gradientNorms[i] * vectorNorm);
  });
}

/**
 * Tensors against `<prefix>/…` of a fixture's expected.safetensors. Adding to all keys adds the same to all scores of a
 * query, so a key bias has no gradient but rounding errors: they are measured against the other tensors.
 */
export async function expectTensors(
  actual: TensorRecord,
  fixture: Fixture,
  prefix: string,
  tolerance: number,
): Promise<void> {
  const expected = await fixture.tensors('expected', prefix);
  const names = Object.keys(actual).filter((name) => name.endsWith('.key.bias'));
  const scale = norm(Object.values(expected).map(norm));
  for (const name of names) expect(norm(actual[name])).toBeLessThan(tolerance * scale);
  expect(largestRelativeError(without(actual, names), without(expected, names))).toBeLessThan(tolerance);
}

function without(record: TensorRecord, names: string[]): TensorRecord {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}
