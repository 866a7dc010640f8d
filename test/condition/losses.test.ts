import { beforeAll, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/types.ts';
import { conditionDocument } from '../../lib/condition/condition-document.ts';
import { packDocuments } from '../../lib/condition/pack-documents.ts';
import { PACK_STRATEGIES } from '../../lib/condition/pack/row-packer.ts';
import { collate, IGNORED_LABEL, predictedTokens, type Batch, type TokenRow } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { randomUint32 } from '../../lib/random.ts';
import { describeBackends } from '../support/backends.ts';
import { Fixture, relativeError, type FixtureBatch } from '../support/fixtures.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { splitDocuments } from '../support/random-batch.ts';

interface Expected {
  losses: number[];
  documents: { row: number; start: number; length: number; tokens: number; loss: number | null }[];
}

/** Conditioned documents of random tokens below `vocabulary`, some of them without metadata. */
function conditionedDocuments(count: number, vocabulary: number, seed: number): TokenRow[] {
  const draw = (index: number, below: number) => randomUint32(seed, 0, index) % below;
  const tokens = (first: number, length: number) => Array.from({ length }, (_, t) => draw(first + t, vocabulary));
  return Array.from({ length: count }, (_, d) => {
    const metadata = draw(d, 3) === 0 ? null : tokens(1000 + 100 * d, 1 + draw(100 + d, 5));
    return conditionDocument(tokens(10_000 + 100 * d, 1 + draw(200 + d, 30)), metadata, { bosId: 0, eosId: 1 });
  });
}

describeBackends('packed rows', ({ tolerance, open }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
    return () => backend.dispose();
  });

  it('fixture packed: its documents, packed, are its rows, with its losses', async () => {
    const fixture = new Fixture('packed');
    const raw = await fixture.json<FixtureBatch>('batch');
    const expected = await fixture.json<Expected>('expected');
    const model = await LanguageModel.fromPretrained(fixture.modelDirectory, { backend });
    const rows = raw.input_ids.map((inputIds, r) => {
      const documents = expected.documents
        .filter(({ row }) => row === r)
        .map(({ start, length }) => ({
          inputIds: inputIds.slice(start, start + length),
          labels: raw.labels![r].slice(start, start + length),
        }));
      const packed = packDocuments(documents, { length: inputIds.length, strategy: 'pack' }).rows;
      expect(packed).toHaveLength(1);
      return packed[0];
    });
    const batch = collate(rows, { length: raw.input_ids[0].length });
    expect([...batch.inputIds]).toEqual(raw.input_ids.flat());
    expect([...batch.labels]).toEqual(raw.labels!.flat());
    expect([...batch.documentIds!]).toEqual(raw.doc_ids!.flat());
    expect(relativeError((await model.loss(batch)).perSample, expected.losses)).toBeLessThan(tolerance.value);
    const documents = await model.perSample(batch, { granularity: 'document' });
    const losses = expected.documents.map(({ loss }) => loss ?? 0);
    expect(relativeError(documents.losses, losses)).toBeLessThan(tolerance.value);
    const counts = expected.documents.map(({ tokens }) => tokens);
    const alone = rows.flatMap((row) => splitDocuments(row).map(predictedTokens));
    expect(alone).toEqual(counts);
    model.dispose();
  });

  it.each(PACK_STRATEGIES)('%s: losses of conditioned documents are those of the pieces alone', async (strategy) => {
    const config = ARCHITECTURES.llama;
    const model = await LanguageModel.initialize(config, { backend, seed: 3 });
    for (let seed = 0; seed < 3; seed++) {
      const { rows } = packDocuments(conditionedDocuments(14, config.vocab_size, seed), { length: 40, strategy });
      const { perSample } = await model.loss(collate(rows));
      const pieces = rows.map(splitDocuments);
      const alone = (await model.loss(collate(pieces.flat()))).perSample;
      let next = 0;
      const expected = pieces.map((row) => {
        const tokens = row.map(predictedTokens);
        const total = tokens.reduce((sum, n, i) => sum + n * alone[next + i], 0);
        next += row.length;
        return total / (tokens.reduce((sum, n) => sum + n, 0) || 1);
      });
      expect(relativeError(perSample, expected)).toBeLessThan(tolerance.value);
    }
    model.dispose();
  });

  it('does not look at the targets of masked positions: loss and gradient are the same bits', async () => {
    const config = ARCHITECTURES.llama;
    const model = await LanguageModel.initialize(config, { backend, seed: 5 });
    const documents = conditionedDocuments(12, config.vocab_size, 7);
    const batch = collate(packDocuments(documents, { length: 40, strategy: 'best-fit' }).rows);
    const reference = await model.gradient(batch);
    expect(reference.gradient.norm()).toBeGreaterThan(0);

    // What was masked are tokens that the model reads; as targets they say nothing: any id that is ignored will do.
    const starts = firstTokens(batch);
    for (const seed of [1, 2]) {
      const labels = batch.labels.map((label, t) =>
        starts.has(t) ? randomUint32(seed, 1, t) % config.vocab_size : label,
      );
      expect(labels).not.toEqual(batch.labels);
      const other = await model.gradient({ ...batch, labels });
      expect(other.perSample).toEqual(reference.perSample);
      expect(other.gradient.toRecord()).toEqual(reference.gradient.toRecord());
    }
    // And the other way round: where a label counts, its target matters.
    const counted = batch.labels.findIndex((label) => label !== IGNORED_LABEL);
    const labels = batch.labels.slice();
    labels[counted] = (labels[counted] + 1) % config.vocab_size;
    expect((await model.gradient({ ...batch, labels })).perSample).not.toEqual(reference.perSample);
    model.dispose();
  });

  it('takes its mask from where the document begins, whatever stands before it as a target', async () => {
    const config = ARCHITECTURES.llama;
    const model = await LanguageModel.initialize(config, { backend, seed: 5 });
    const body = [5, 9, 4, 4, 7];
    const gradientOf = async (targets: number[]) => {
      // The targets of the context are changed before the mask is laid over them.
      const { inputIds, contextLength } = conditionDocument(body, [11, 12, 13], { bosId: 0, eosId: 1 });
      const masked = Int32Array.from([...targets, ...inputIds.subarray(contextLength)]);
      masked.fill(IGNORED_LABEL, 0, contextLength);
      const { rows } = packDocuments([{ inputIds, labels: masked }], { length: 16, strategy: 'pack' });
      return (await model.gradient(collate(rows))).gradient.toRecord();
    };
    expect(await gradientOf([3, 3, 3, 3])).toEqual(await gradientOf([20, 21, 22, 23]));
    const trained = conditionDocument(body, [11, 12, 13], { bosId: 0, eosId: 1, trainOnMetadata: true });
    const { gradient } = await model.gradient(collate(packDocuments([trained], { length: 16 }).rows));
    expect(gradient.toRecord()).not.toEqual(await gradientOf([0, 11, 12, 13]));
    model.dispose();
  });
});

/** Positions of a batch on which a document begins: no label there is predicted. */
function firstTokens({ batch, time, documentIds, attentionMask }: Batch): Set<number> {
  const starts = new Set<number>();
  for (let t = 0; t < batch * time; t++) {
    if (attentionMask![t] && (t % time === 0 || documentIds![t] !== documentIds![t - 1])) starts.add(t);
  }
  return starts;
}
