import { describe, expect, it } from 'vitest';
import { IGNORED_LABEL, type TokenRow } from '../../lib/data/batch.ts';
import { FlatSamples } from '../../lib/data/flat-samples.ts';
import { MaskedSamples } from '../../lib/data/mlm.ts';
import { randomUint32, streamOf } from '../../lib/random.ts';

const VOCABULARY = 50;
const [END, MASK] = [48, 49];
const LENGTH = 100;
const ROWS = 400;
const tokens = Int32Array.from({ length: ROWS * LENGTH }, (_, i) =>
  i % LENGTH === LENGTH - 1 ? END : randomUint32(1, streamOf('mlm test'), i) % 48,
);
const samples = new FlatSamples({
  length: LENGTH,
  tokens,
  offsets: Int32Array.from({ length: ROWS + 1 }, (_, i) => i * LENGTH),
  documents: new Uint32Array(ROWS),
  domains: new Int32Array(ROWS),
  domainNames: ['all'],
  splits: new Uint8Array(ROWS),
});
const options = { maskId: MASK, specialIds: [END], vocabularySize: VOCABULARY, seed: 7 };
const masked = new MaskedSamples(samples, options);

const flat = ({ inputIds, labels }: TokenRow) => [Array.from(inputIds), Array.from(labels!)];

/** A binomial count is this many standard deviations from its mean less than once in 10⁸ times (Bernstein's bound). */
const SIGMAS = 6.5;

function expectShare(count: number, of: number, share: number): void {
  const deviation = Math.sqrt(of * share * (1 - share));
  expect(Math.abs(count - of * share)).toBeLessThan(SIGMAS * deviation);
}

describe('MaskedSamples', () => {
  it('chooses 15 % of the tokens: 80 % hidden, 10 % replaced, 10 % shown', () => {
    let [all, chosen, hidden, changed, shown, wrong] = [0, 0, 0, 0, 0, 0];
    const replacements = new Array<number>(VOCABULARY).fill(0);
    for (let row = 0; row < ROWS; row++) {
      for (const epoch of [0, 1, 2, 3, 4]) {
        const { inputIds, labels } = masked.row(row, epoch);
        const original = samples.tokens(row);
        for (let t = 0; t < LENGTH; t++) {
          if (original[t] === END) {
            if (inputIds[t] !== END || labels![t] !== IGNORED_LABEL) wrong++;
            continue;
          }
          all++;
          if (labels![t] === IGNORED_LABEL) {
            if (inputIds[t] !== original[t]) wrong++;
            continue;
          }
          chosen++;
          if (labels![t] !== original[t]) wrong++;
          if (inputIds[t] === MASK) hidden++;
          else if (inputIds[t] === original[t]) shown++;
          else {
            changed++;
            replacements[inputIds[t]]++;
          }
        }
      }
    }
    expect(wrong).toBe(0);
    expectShare(chosen, all, 0.15);
    expectShare(hidden, chosen, 0.8);
    // A replacement is drawn from 48 ordinary tokens, one of which is the token itself.
    expectShare(changed, chosen, 0.1 * (47 / 48));
    expectShare(shown, chosen, 0.1 + 0.1 / 48);
    expect([replacements[END], replacements[MASK]]).toEqual([0, 0]);
    for (let id = 0; id < 48; id++) expectShare(replacements[id], changed, 1 / 48);
  });

  it('draws anew each time that a row is read, and the same for the same seed', () => {
    const again = new MaskedSamples(samples, options);
    const other = new MaskedSamples(samples, { ...options, seed: 8 });
    expect(flat(again.row(3, 2))).toEqual(flat(masked.row(3, 2)));
    expect(flat(masked.row(3, 1))).not.toEqual(flat(masked.row(3, 2)));
    expect(flat(other.row(3, 2))).not.toEqual(flat(masked.row(3, 2)));
    // Masks of neighbouring rows and readings have no more in common than chance: 0.15² of the places.
    const places = (row: number, epoch: number) => new Set(chosenPlaces(masked.row(row, epoch)));
    let [rows, readings] = [0, 0];
    for (let row = 0; row + 1 < ROWS; row++) {
      for (const t of places(row, 0)) {
        if (places(row + 1, 0).has(t)) rows++;
        if (places(row, 1).has(t)) readings++;
      }
    }
    for (const count of [rows, readings]) expectShare(count, (ROWS - 1) * (LENGTH - 1), 0.15 ** 2);
  });

  it('predicts at least one token of every row that has an ordinary one', () => {
    const short = new FlatSamples({
      length: 3,
      tokens: Int32Array.from([5, END, MASK, END]),
      offsets: Int32Array.of(0, 2, 4),
      documents: new Uint32Array(2),
      domains: new Int32Array(2),
      domainNames: ['all'],
      splits: new Uint8Array(2),
    });
    const source = new MaskedSamples(short, { ...options, share: 0.01 });
    let hidden = 0;
    for (let epoch = 0; epoch < 1000; epoch++) {
      const { inputIds, labels } = source.row(0, epoch);
      expect(Array.from(labels!)).toEqual([5, IGNORED_LABEL]);
      expect(inputIds[1]).toBe(END);
      if (inputIds[0] === MASK) hidden++;
      expect(flat(source.row(1, epoch))).toEqual([
        [MASK, END],
        [IGNORED_LABEL, IGNORED_LABEL],
      ]);
    }
    expectShare(hidden, 1000, 0.8);
  });

  it('leaves the samples as they are', () => {
    const before = tokens.slice();
    masked.row(0, 0);
    expect(tokens).toEqual(before);
    expect(Array.from(masked.tokens(1))).toEqual(Array.from(samples.tokens(1)));
    expect([masked.count, masked.length, masked.domain(0), masked.split(0)]).toEqual([ROWS, LENGTH, 'all', 'train']);
  });

  it('refuses a mask outside the vocabulary and a share that is none', () => {
    expect(() => new MaskedSamples(samples, { ...options, maskId: 50 })).toThrow(
      'maskId: expected an integer in [0, 49]',
    );
    expect(() => new MaskedSamples(samples, { ...options, share: 0 })).toThrow(/share: expected a finite number/);
  });
});

function chosenPlaces({ labels }: TokenRow): number[] {
  return Array.from(labels!).flatMap((label, t) => (label === IGNORED_LABEL ? [] : [t]));
}
