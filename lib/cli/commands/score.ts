import { rm } from 'node:fs/promises';
import { Option } from 'commander';
import { openSamples, SPLITS, type Split } from '../../data/samples.ts';
import { summarize } from '../../evaluate/statistics.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { batchesOf, drawRows } from '../../recipe/rows.ts';
import { annotateLqs, type Contribution } from '../../score/lqs.ts';
import { writeScoreTable } from '../../score/table.ts';
import {
  backendOptions,
  claimOutput,
  defineCommand,
  forceOption,
  number,
  option,
  outOption,
  positiveInteger,
  withBackend,
  type BackendFlags,
} from '../command.ts';

export const score = defineCommand<
  BackendFlags & {
    out: string;
    model: string;
    split: Split;
    targetDomain?: string;
    targetRows: number;
    steps: number;
    interval?: number;
    batch: number;
    lr: number;
    contribution: Contribution;
    force: boolean;
  }
>({
  usage: 'score <samples>',
  description: 'Score rows by LQS: how much training on each would help the target set.',
  example: 'gradfold score tokens/samples.arrow --model model --target-domain speeches --out scores.arrow',
  limits: 'rows to score',
  options: [
    outOption('the score table (columns row and lqs)'),
    option('--model <dir>', 'Hugging Face directory of the annotating model').makeOptionMandatory(),
    new Option('--split <name>', 'rows to score').choices(SPLITS).default('train'),
    option('--target-domain <name>', 'domain of the target rows (default: all of the target split)'),
    option('--target-rows <n>', 'rows whose mean loss is to go down', positiveInteger, 128),
    option('--steps <n>', 'T, steps of plain SGD', positiveInteger, 50),
    option('--interval <n>', 'score at every n-th step (default: a fifth of T)', positiveInteger),
    option('--batch <n>', 'rows a step', positiveInteger, 32),
    option('--lr <x>', 'learning rate of the SGD run', number, 0.01),
    new Option('--contribution <variant>', 'what a row contributes at a step')
      .choices(['released', 'paper', 'pds'])
      .default('released'),
    ...backendOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, seed, batch, steps, lr, interval, contribution } = options;
    const samples = await openSamples(args[0] as string);
    await claimOutput(out, options.force);
    const rows = drawRows(samples, { split: options.split, count: options.limit, seed }).sort();
    const target = drawRows(samples, {
      split: 'target',
      domain: options.targetDomain,
      count: options.targetRows,
      seed,
    });
    const run = drawRows(samples, { split: 'train', count: steps * batch, seed });
    const batches = batchesOf(samples, run, batch);
    // Kept until the scores are there, so that a killed annotation goes on where it was.
    const checkpointDir = `${out}.sweep`;
    const scores = await withBackend(options, async (backend) => {
      const model = await LanguageModel.fromPretrained(options.model, { backend, signal });
      const { scores } = await annotateLqs(model, {
        batches: Array.from({ length: steps }, (_, step) => batches[step % batches.length]),
        target: batchesOf(samples, target, batch),
        proxy: batchesOf(samples, rows, batch),
        lr,
        interval,
        contribution,
        checkpointDir,
        signal,
        onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
      });
      return scores;
    });
    await writeScoreTable(
      out,
      rows,
      { lqs: scores },
      { method: 'lqs', contribution, steps: String(steps), lr: String(lr) },
    );
    await rm(checkpointDir, { recursive: true, force: true });
    const { mean, standardDeviation } = summarize(scores);
    return {
      json: { path: out, rows: rows.length, targetRows: target.length, mean, standardDeviation },
      text: `${out}: ${rows.length} rows scored, mean ${mean.toPrecision(3)}, standard deviation ${standardDeviation.toPrecision(3)}`,
    };
  },
});
