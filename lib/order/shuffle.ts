import { checkInteger } from '../check.ts';
import { randomPermutation, streamOf } from '../random.ts';

const STREAM = streamOf('order/shuffle');

/** A uniformly random order of n rows, the same for the same seed. Row indices [n]. */
export function shuffleOrder(n: number, seed: number): Uint32Array {
  checkInteger('n', n, 0, 0xffffffff);
  checkInteger('seed', seed, 0);
  return randomPermutation(n, seed, STREAM);
}
