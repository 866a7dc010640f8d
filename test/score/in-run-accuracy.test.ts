import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { sampleBatches } from '../../lib/data/token-source.ts';
import { spearman } from '../../lib/evaluate/statistics.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { planOf } from '../../lib/order/plan.ts';
import { InRunScores } from '../../lib/score/in-run.ts';
import { planBatch } from '../../lib/train/sample-loader.ts';
import { train } from '../../lib/train/trainer.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LENGTH = 64;
const BATCH = 32;
const STEPS = 64;

/** Texts as rows of bytes. */
async function byteRows(paths: string[]): Promise<Uint8Array[]> {
  const texts = await Promise.all(paths.map((path) => readFile(ROOT + path)));
  const bytes = Buffer.concat(texts);
  return Array.from({ length: Math.floor(bytes.length / LENGTH) }, (_, i) =>
    bytes.subarray(i * LENGTH, (i + 1) * LENGTH),
  );
}

it('in-run scores rank rows as exact recomputation at every step does', { timeout: 300_000 }, async () => {
  // The licence is the target, the documentation is trained on.
  const target = await byteRows(['LICENSE']);
  const documents = (await readdir(`${ROOT}docs`)).filter((name) => name.endsWith('.md'));
  const training = await byteRows(documents.map((name) => `docs/${name}`));
  const rows = [...target, ...training];
  const samples = { tokens: (row: number) => rows[row] };
  const targetRows = Uint32Array.from(target.keys());
  const plan = planOf(
    Uint32Array.from(training.keys(), (i) => target.length + i),
    null,
    { method: 'shuffle', seed: 4 },
  );
  const model = await LanguageModel.initialize(
    {
      model_type: 'llama',
      vocab_size: 256,
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 2,
    },
    { backend: await openBackend('auto'), seed: 1 },
  );

  const observer = new InRunScores(model, { samples, target: targetRows, seed: 6 });
  const iterates = [model.parameters.copy()];
  const lrs: number[] = [];
  await train({
    model,
    samples,
    plan,
    observer,
    batchSize: BATCH,
    steps: STEPS,
    optimizer: { kind: 'adamw', lr: 2e-3, betas: [0.9, 0.95], clipNorm: 1 },
    schedule: { kind: 'cosine', warmupSteps: 4 },
    onStep: ({ lr }) => {
      lrs.push(lr);
      iterates.push(model.parameters.copy());
    },
  });

  const exact = new Map<number, number>();
  const [whole] = sampleBatches(samples, targetRows, target.length);
  for (let step = 0; step < STEPS; step++) {
    model.parameters.copyFrom(iterates[step]);
    const { gradient } = await model.gradient(whole);
    const { batch, rows: read } = planBatch(samples, plan, step, BATCH);
    const { dots } = await model.perSample(batch, { dots: [gradient] });
    read.forEach((row, i) => exact.set(row, (exact.get(row) ?? 0) + lrs[step] * dots![0][i]));
  }
  const { rows: scored, columns } = observer.table();
  expect(scored).toHaveLength(exact.size);
  const correlation = spearman(
    columns.in_run,
    Array.from(scored, (row) => exact.get(row)!),
  );
  expect(correlation).toBeGreaterThan(0.9);
});
