import { describe, expect, it } from 'vitest';
import { forwardFlops, metaTrainingFlops, netGain, raterFlops } from '../../lib/evaluate/compute.ts';
import type { LlamaConfig, RaterConfig } from '../../lib/model/config.ts';

const CONFIG: LlamaConfig = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};

/** Products of one token in the backbone: queries, keys, values, output, gated MLP; and what norms are counted as. */
const BACKBONE = 2 * (4 * 8 * 8 + 3 * 8 * 16) + 5 * 8;
const LENGTH = 10;

describe('forwardFlops', () => {
  it('counts every product of a decoder, half of the attention, and the head whether tied or not', () => {
    const attention = 4 * 2 * 8 * (LENGTH / 2);
    const expected = LENGTH * (2 * (BACKBONE + 8 * 100) + attention);
    expect(forwardFlops(CONFIG, LENGTH)).toBe(expected);
    expect(forwardFlops({ ...CONFIG, tie_word_embeddings: true }, LENGTH)).toBe(expected);
  });
});

describe('raterFlops', () => {
  it('counts all of the attention where it is not causal, and the head once', () => {
    const rater: RaterConfig = { ...CONFIG, causal: false, pooling: 'mean', bias: true };
    const expected = LENGTH * (2 * BACKBONE + 4 * 2 * 8 * LENGTH) + 2 * 8;
    expect(raterFlops(rater, LENGTH)).toBe(expected);
    expect(raterFlops({ ...rater, causal: true }, LENGTH)).toBe(expected - LENGTH * 4 * 2 * 8 * (LENGTH / 2));
  });
});

describe('metaTrainingFlops', () => {
  it('adds inner gradients, dual passes, outer loss and rater', () => {
    const size = { metaSteps: 1, innerModels: 1, innerBatch: 5, outerBatch: 7, modelFlops: 100, raterFlops: 10 };
    // T = 1: gradient and tangents of 5 rows, outer gradient of 7, rater forward and backward over 5.
    expect(metaTrainingFlops({ ...size, innerSteps: 1 })).toBe(5 * (3 + 3) * 100 + 7 * 3 * 100 + 5 * 3 * 10);
    // One more step: a gradient and a whole dual pass more.
    const more = metaTrainingFlops({ ...size, innerSteps: 2 }) - metaTrainingFlops({ ...size, innerSteps: 1 });
    expect(more).toBe(5 * (3 + 8) * 100 + 5 * 3 * 10);
    expect(metaTrainingFlops({ ...size, innerSteps: 2, metaSteps: 3, innerModels: 4 })).toBe(
      12 * metaTrainingFlops({ ...size, innerSteps: 2 }),
    );
  });

  it('adds plain steps before and between, and leaves out Hessian products where they are not made', () => {
    const size = { metaSteps: 2, innerModels: 3, innerBatch: 5, outerBatch: 7, modelFlops: 100, raterFlops: 10 };
    const exact = metaTrainingFlops({ ...size, innerSteps: 3 });
    expect(metaTrainingFlops({ ...size, innerSteps: 3, startSteps: 4 }) - exact).toBe(4 * 5 * 3 * 100);
    expect(metaTrainingFlops({ ...size, innerSteps: 3, burnInSteps: 4 }) - exact).toBe(4 * 5 * (3 * 100 + 10));
    // Of 10 for rating a row, 4 are features: taken once, where the other 6 count thrice.
    expect(exact - metaTrainingFlops({ ...size, innerSteps: 3, featureFlops: 4 })).toBe(2 * 3 * 3 * 5 * 2 * 4);
    const firstOrder = metaTrainingFlops({ ...size, innerSteps: 3, firstOrder: true });
    expect(exact - firstOrder).toBe(2 * 3 * 2 * 5 * (8 - 3) * 100);
  });
});

describe('netGain', () => {
  const training = { stepFlops: 1000, baselineSteps: 100, reached: 60, candidates: 64, scoringFlops: 2 };

  it('is what is saved less what is scored', () => {
    const gain = netGain(training)!;
    expect(gain.saved).toBeCloseTo(0.4, 12);
    expect(gain.scoring).toBeCloseTo((60 * 64 * 2) / 100_000, 12);
    expect(gain).toMatchObject({ metaTraining: 0, net: gain.netOfScoring, paysAfter: 0 });
    expect(gain.net).toBeCloseTo(0.4 - 0.0768, 12);
  });

  it('scores no row of a pool twice', () => {
    expect(netGain({ ...training, pool: 1000 })!.scoring).toBeCloseTo(0.02, 12);
  });

  it('says what part of scoring goes to dropped rows, and scores a pool beforehand without candidates', () => {
    expect(netGain(training)!.overSampling).toBe(0);
    expect(netGain({ ...training, kept: 0.25 })!.overSampling).toBeCloseTo(0.75 * 0.0768, 12);
    expect(netGain({ ...training, candidates: undefined, pool: 1000 })!.scoring).toBeCloseTo(0.02, 12);
  });

  it('compares at a loss that the baseline had before its end', () => {
    const gain = netGain({ ...training, baselineReached: 50 })!;
    expect(gain.saved).toBeCloseTo(-0.1, 12);
    expect(gain.paysAfter).toBeNull();
  });

  it('divides meta-training among trainings, and says when it is earned back', () => {
    const gain = netGain({ ...training, metaFlops: 50_000, trainings: 5 })!;
    expect(gain.metaTraining).toBeCloseTo(0.1, 12);
    expect(gain.net).toBeCloseTo(0.4 - 0.0768 - 0.1, 12);
    expect(gain.paysAfter).toBeCloseTo(0.5 / (0.4 - 0.0768), 12);
    expect(netGain({ ...training, metaFlops: 50_000 })!.net).toBeLessThan(0);
  });

  it('may be a loss that nothing earns back, and is none where the loss is never reached', () => {
    expect(netGain({ ...training, reached: 99, metaFlops: 1 })).toMatchObject({ paysAfter: null });
    expect(netGain({ ...training, reached: null })).toBeNull();
  });
});
