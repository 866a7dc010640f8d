import { readFileSync } from 'node:fs';
import { describe } from 'vitest';
import type { FloatArray } from '../../lib/backend/types.ts';
import { addonReason, loadAddon } from '../../lib/backend/addon.ts';
import { resultOf, runPortable, type Kernel } from '../../lib/order/kernel.ts';
import { randomNormals, randomUint32, streamOf } from '../../lib/random.ts';

/** What runs a kernel. */
export type Run = <Result>(kernel: Kernel<Result>) => Result;

/**
 * Describes tests for both forms of a kernel: the TypeScript one, and the compiled one, at any size, where it is built.
 * Where it is not, its tests are skipped and the title says why.
 */
export function describeForms(title: string, body: (run: Run) => void): void {
  describe(`${title}, typescript`, () => body(runPortable));
  const missing = addonReason();
  describe.skipIf(missing)(`${title}, native${missing ? ` (${missing})` : ''}`, () => body(runNative));
}

/** The compiled form of a kernel, at any size; the addon must be there. */
export function runNative<Result>(kernel: Kernel<Result>): Result {
  return resultOf(kernel, kernel.native(loadAddon()!));
}

/** Stable order by comparison: what every form must give. */
export function sortedByComparison(scores: FloatArray, descending = false): number[] {
  const rows = Array.from(scores, (_, i) => i);
  return rows.sort((a, b) => (descending ? scores[b] - scores[a] : scores[a] - scores[b]) || 0);
}

/** Where two orders first differ, or -1: quicker than a deep comparison of long arrays. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const longest = Math.max(a.length, b.length);
  for (let i = 0; i < longest; i++) if (a[i] !== b[i]) return i;
  return -1;
}

type Fill = (scores: FloatArray, seed: number) => void;

const BITS = streamOf('bits');
const CHOICE = streamOf('choice');

const bitsFill: Fill = (scores, seed) => {
  const words = new Uint32Array(scores.buffer, scores.byteOffset, scores.byteLength / 4);
  for (let i = 0; i < words.length; i++) words[i] = randomUint32(seed, BITS, i);
  for (let i = 0; i < scores.length; i++) if (Number.isNaN(scores[i])) scores[i] = -0;
};

const chosenFrom =
  (values: number[]): Fill =>
  (scores, seed) => {
    for (let i = 0; i < scores.length; i++) {
      scores[i] = values[randomUint32(seed, CHOICE, i) % values.length];
    }
  };

/** Kinds of scores that sorting can go wrong on. */
export const FILLS: Record<string, Fill> = {
  normal: (scores, seed) => randomNormals(scores, seed, streamOf('normal')),
  'any bits': bitsFill,
  'many ties': chosenFrom([-2, -1, 0, 1, 2]),
  'signed zeros': chosenFrom([0, -0]),
  'all equal': chosenFrom([0.1]),
  extremes: chosenFrom([Infinity, -Infinity, 5e-324, -5e-324, 1e-45, -1e-45, 0, -0, Number.MAX_VALUE, 3.4e38, 1]),
  'float32 in float64': (scores, seed) => {
    randomNormals(scores, seed, streamOf('narrow'));
    for (let i = 0; i < scores.length; i++) scores[i] = Math.fround(scores[i]);
  },
};

export interface OrderFixture {
  input: {
    arrays: { name: string; scores: number[] }[];
    invalid: { name: string; scores: (number | 'NaN')[] }[];
    softmax: { name: string; scores: number[]; tau: number; d_weights: number[] }[];
    p_accept: { p: number; B: number; K: number }[];
  };
  expected: {
    arrays: Record<
      string,
      {
        ascending: number[];
        descending: number[];
        folding: Record<string, number[]>;
        top_k: { k: number; indices?: number[] }[];
        top_r: { r: number; indices?: number[] }[];
        threshold: { threshold: number; indices: number[] }[];
      }
    >;
    softmax: Record<string, { weights: number[]; d_scores: number[] }>;
    p_accept: number[];
  };
}

/** test/fixtures/order: exact answers computed apart from this library. */
export function orderFixture(): OrderFixture {
  const read = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/order/${name}.json`, import.meta.url), 'utf8'));
  return { input: read('input'), expected: read('expected') };
}
