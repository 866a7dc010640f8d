import { afterAll, beforeAll, expect, it } from 'vitest';
import { addonReason } from '../../lib/backend/addon.ts';
import { openCpuBackend } from '../../lib/backend/cpu.ts';
import type { Backend } from '../../lib/backend/types.ts';
import { collate, type TokenRow } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { describeUnless } from '../support/backends.ts';
import { largestRelativeError, relativeError } from '../support/fixtures.ts';
import { randomRows, rowsToBatch } from '../support/random-batch.ts';

const VOCABULARY = 40_000;
const TIME = 257;

/** With so large a vocabulary a block of logits holds about 420 predictions: fewer than these batches have. */
describeUnless(addonReason(), 'a head that is walked in several blocks and panels', () => {
  let backend: Backend;
  beforeAll(() => {
    backend = openCpuBackend();
  });
  afterAll(() => backend.dispose());

  const open = (tied: boolean) =>
    LanguageModel.initialize(
      {
        model_type: 'llama',
        vocab_size: VOCABULARY,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        tie_word_embeddings: tied,
        initializer_range: 0.3,
      },
      { backend, seed: 5 },
    );
  const rows: TokenRow[] = randomRows('dense', 4, TIME, VOCABULARY, 3);
  const batch = rowsToBatch(rows, TIME);
  const weights = [0.5, -1, 2, 0.25];

  for (const tied of [false, true]) {
    it(`gives each sample its own numbers (tied: ${tied})`, async () => {
      const model = await open(tied);
      const v = (await model.gradient(collate([rows[2]]))).gradient;
      const plain = await model.gradient(batch, { weights });
      const blocks = await model.perSample(batch, { dots: [v], norms: true, weights });
      const panels = await model.perSample(batch, { dots: [v], norms: true, gram: true, weights });
      const own = await Promise.all(rows.map((row) => model.gradient(collate([row]))));
      const gradients = own.map(({ gradient }) => gradient);

      expect(
        relativeError(
          blocks.losses,
          own.map(({ perSample }) => perSample[0]),
        ),
      ).toBeLessThan(2e-5);
      const sum = model.vector();
      gradients.forEach((g, i) => sum.axpy(weights[i], g));
      for (const { norms, dots, gradient } of [blocks, panels]) {
        expect(
          relativeError(
            norms!,
            gradients.map((g) => g.norm()),
          ),
        ).toBeLessThan(2e-5);
        expect(
          relativeError(
            dots![0],
            gradients.map((g) => g.dot(v)),
          ),
        ).toBeLessThan(2e-5);
        expect(largestRelativeError(gradient!.toRecord(), sum.toRecord(), 1e-3)).toBeLessThan(2e-5);
      }
      expect(largestRelativeError(plain.gradient.toRecord(), sum.toRecord(), 1e-3)).toBeLessThan(2e-5);
      expect(
        relativeError(
          panels.gram!,
          gradients.flatMap((a) => gradients.map((b) => a.dot(b))),
        ),
      ).toBeLessThan(2e-5);
      model.dispose();
    });

    it(`takes a sample longer than a block whole (tied: ${tied})`, async () => {
      const model = await open(tied);
      const long = rowsToBatch(randomRows('dense', 1, 700, VOCABULARY, 4), 700);
      const { gradient } = await model.gradient(long);
      const { norms, gradients } = await model.perSample(long, { norms: true, gradients: true });
      expect(relativeError(norms!, [gradient.norm()])).toBeLessThan(2e-5);
      expect(largestRelativeError(gradients![0].toRecord(), gradient.toRecord(), 1e-3)).toBeLessThan(2e-5);
      model.dispose();
    });

    it(`gives each position its own logits (tied: ${tied})`, async () => {
      const model = await open(tied);
      const all = (count: number) => Array.from({ length: count }, () => Array.from({ length: TIME }, (_, t) => t));
      const pair = rows.slice(0, 2);
      const together = await model.logits(collate(pair), { positions: all(2) });
      const alone = await Promise.all(pair.map((row) => model.logits(collate([row]), { positions: all(1) })));
      expect(together).toHaveLength(2 * TIME);
      const errors = alone.flat().map((logits, i) => relativeError(together[i], logits));
      expect(Math.max(...errors)).toBeLessThan(2e-5);
      model.dispose();
    });

    it(`has Hessian products that add up over the samples (tied: ${tied})`, async () => {
      const model = await open(tied);
      const v = (await model.gradient(batch)).gradient;
      const together = await model.hvp(batch, v, { weights });
      const sum = model.vector();
      const jvp: number[] = [];
      for (const [i, row] of rows.entries()) {
        const alone = await model.hvp(collate([row]), v);
        sum.axpy(weights[i], alone.hvp);
        jvp.push(alone.jvp[0]);
      }
      expect(relativeError(together.jvp, jvp)).toBeLessThan(2e-5);
      expect(largestRelativeError(together.hvp.toRecord(), sum.toRecord(), 1e-3)).toBeLessThan(1e-4);
      model.dispose();
    });
  }
});
