import { describe, expect, it } from 'vitest';
import { evaluatePerplexity } from '../../lib/evaluate/perplexity.ts';
import { collate } from '../../lib/data/batch.ts';
import { toyModel, toySamples } from '../train/toy.ts';

const samples = { ...toySamples, domain: (row: number) => (row < 4 ? 'books' : row < 7 ? 'mail' : 'code') };
const rows = [8, 0, 5, 1, 11, 2, 6, 3];

describe('evaluatePerplexity', () => {
  it('weights samples by their predicted tokens, overall and by domain', async () => {
    const model = await toyModel();
    const { overall, domains, domainMean } = await evaluatePerplexity(model, samples, rows);

    const sums: Record<string, { loss: number; tokens: number; samples: number }> = {};
    for (const row of rows) {
      const inputIds = samples.tokens(row);
      const { mean } = await model.loss(collate([{ inputIds }]));
      for (const name of ['all', samples.domain(row)]) {
        const sum = (sums[name] ??= { loss: 0, tokens: 0, samples: 0 });
        sum.loss += mean * (inputIds.length - 1);
        sum.tokens += inputIds.length - 1;
        sum.samples++;
      }
    }
    expect(Object.keys(domains)).toEqual(['code', 'books', 'mail']);
    for (const [name, actual] of Object.entries({ all: overall, ...domains })) {
      const { loss, tokens, samples: count } = sums[name];
      expect(actual).toMatchObject({ tokens, samples: count });
      expect(actual.loss).toBeCloseTo(loss / tokens, 12);
      expect(actual.perplexity).toBeCloseTo(Math.exp(loss / tokens), 10);
    }
    const mean = (domains.code.loss + domains.books.loss + domains.mail.loss) / 3;
    expect(domainMean.loss).toBeCloseTo(mean, 14);
    expect(domainMean.perplexity).toBeCloseTo(Math.exp(mean), 12);
  });

  it('does not depend on the batching', async () => {
    const model = await toyModel();
    const whole = await evaluatePerplexity(model, samples, rows, { batchSize: 100 });
    for (const batchSize of [1, 3])
      expect(await evaluatePerplexity(model, samples, rows, { batchSize })).toEqual(whole);
  });

  it('forms batches of similar length', async () => {
    const model = await toyModel();
    const padding: number[] = [];
    const watched = {
      objective: model.objective,
      checkPredictsNext: () => undefined,
      loss: (...[batch, options]: Parameters<typeof model.loss>) => {
        padding.push(batch.attentionMask!.filter((token) => token === 0).length);
        return model.loss(batch, options);
      },
    };
    await evaluatePerplexity(watched, samples, rows, { batchSize: 2 });
    expect(padding).toEqual([0, 0, 0, 0]);
  });

  it('leaves out samples that predict nothing', async () => {
    const short = { tokens: (row: number) => samples.tokens(row).slice(0, row === 0 ? 1 : 9), domain: samples.domain };
    const model = await toyModel();
    expect((await evaluatePerplexity(model, short, [0, 1])).overall.samples).toBe(1);
    await expect(evaluatePerplexity(model, short, [0])).rejects.toThrow(
      'rows: expected at least one sample that predicts a token',
    );
  });

  it('reports progress and stops on abort', async () => {
    const model = await toyModel();
    const done: number[] = [];
    await evaluatePerplexity(model, samples, rows, {
      batchSize: 3,
      onProgress: (progress) => done.push(progress.done),
    });
    expect(done).toEqual([3, 6, 8]);
    const reason = new Error('enough');
    const aborted = evaluatePerplexity(model, samples, rows, { signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
  });
});
