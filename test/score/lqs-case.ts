import type { Backend } from '../../lib/backend/types.ts';
import type { Batch } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { Fixture, toBatch, type FixtureBatch } from '../support/fixtures.ts';

export interface LqsExpected {
  lr: number;
  T: number;
  dev_losses: number[];
  lambda_norms: number[];
  proxy_grad_norms: number[][];
  proxy_dots_with_lambda_next: number[][];
  gamma_delt: Record<string, number[]>;
  gamma_pds: Record<string, number[]>;
}

export interface LqsCase {
  batches: Batch[];
  target: Batch[];
  proxy: Batch[];
  lr: number;
  expected: LqsExpected;
}

export const lqsFixture = new Fixture('lqs');

/** The fixture's problem as annotateLqs takes it. */
export async function loadLqsCase(): Promise<LqsCase> {
  const { train, dev, proxy } = await lqsFixture.json<{
    train: FixtureBatch[];
    dev: FixtureBatch;
    proxy: FixtureBatch;
  }>('batch');
  const expected = await lqsFixture.json<LqsExpected>('expected');
  return { batches: train.map(toBatch), target: [toBatch(dev)], proxy: [toBatch(proxy)], lr: expected.lr, expected };
}

/** The model at θ_0. */
export function loadLqsModel(backend: Backend): Promise<LanguageModel> {
  return LanguageModel.fromPretrained(lqsFixture.modelDirectory, { backend });
}

/** Rows [start, end) of a batch. */
export function rowsOf({ time, inputIds, labels, attentionMask }: Batch, start: number, end: number): Batch {
  const [from, to] = [start * time, end * time];
  return {
    batch: end - start,
    time,
    inputIds: inputIds.slice(from, to),
    labels: labels.slice(from, to),
    attentionMask: attentionMask!.slice(from, to),
  };
}
