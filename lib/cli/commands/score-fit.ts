import { join } from 'node:path';
import { Option } from 'commander';
import type { Backend } from '../../backend/types.ts';
import { openSamples } from '../../data/samples.ts';
import { loadTokenizer, type Tokenizer } from '../../data/tokenizer.ts';
import { GradfoldError } from '../../errors.ts';
import { readJsonObject } from '../../files.ts';
import { transformerShape } from '../../model/architectures/index.ts';
import { readConfig } from '../../model/checkpoint.ts';
import type { ModelConfig, RaterConfig, RaterSettings } from '../../model/config.ts';
import { SequenceRater } from '../../model/sequence-rater.ts';
import type { Pooling } from '../../model/shape.ts';
import { trainScorer } from '../../score/scorer.ts';
import { saveScorer, SCORER_FILE } from '../../score/scorer-files.ts';
import { readScoreTable } from '../../score/table.ts';
import {
  claimFolder,
  defineCommand,
  forceOption,
  gradientOptions,
  integer,
  nonNegativeNumber,
  numberIn,
  option,
  outOption,
  positiveInteger,
  positiveNumber,
  share,
  withBackend,
  type BackendFlags,
} from '../command.ts';
import { UsageError } from '../io.ts';
import { reencodeFor, tokenizerBeside } from '../tokenizers.ts';

interface Flags extends BackendFlags {
  out: string;
  samples: string;
  column: string;
  model?: string;
  config?: string;
  tokenizer?: string;
  samplesTokenizer?: string;
  pooling: Pooling;
  causal?: 'true' | 'false';
  bias: boolean;
  heldOut: number;
  steps?: number;
  batch: number;
  lr: number;
  warmup?: number;
  finalLr: number;
  weightDecay: number;
  clipNorm: number;
  evaluateEvery?: number;
  force: boolean;
}

/** Passes over the scored rows when --steps says nothing. */
const PASSES = 10;

/** Of `--out`, what this command writes. */
const CONTENTS = /^(model|checkpoints|log\.jsonl)$/;

export const scoreFit = defineCommand<Flags>({
  usage: 'score fit <scores>',
  description: 'Train a scorer: a small model that gives rows their scores from their tokens alone.',
  example: 'gradfold score fit lqs.arrow --samples tokens/samples.arrow --config scorer.json --out scorer',
  limits: 'scored rows, the first ones of the table',
  options: [
    outOption('the folder of the scorer, its checkpoints and the log'),
    option('--samples <path>', 'the rows that the scores speak of').makeOptionMandatory(),
    option('--column <name>', 'score column', String, 'lqs'),
    option('--model <dir>', 'start from the backbone of this language model'),
    option('--config <path>', 'start from fresh parameters of this config.json, drawn by --seed'),
    option('--tokenizer <path>', 'tokenizer of the scorer, a tokenizer.json or its folder (default: that of the rows)'),
    option('--samples-tokenizer <path>', 'tokenizer that the rows were made with (default: the one beside them)'),
    new Option('--pooling <name>', 'hidden states that the score is taken from')
      .choices(['mean', 'last', 'first'])
      .default('mean'),
    new Option('--causal <value>', 'whether tokens see only those before them (default: as the model does)').choices([
      'true',
      'false',
    ]),
    new Option('--no-bias', 'leave out the bias of the scalar head'),
    option(
      '--held-out <share>',
      'rows to pick the best checkpoint by, by document',
      numberIn({ above: 0, below: 1 }),
      0.1,
    ),
    option('--steps <n>', 'optimizer steps (default: ten passes over the rows)', positiveInteger),
    option('--batch <n>', 'rows a step', positiveInteger, 32),
    option('--lr <x>', 'peak learning rate', nonNegativeNumber, 1e-3),
    option('--warmup <n>', 'steps of linear warm-up (default: a tenth of all)', integer),
    option('--final-lr <x>', 'last learning rate as a fraction of the peak', share, 0.1),
    option('--weight-decay <x>', 'decoupled weight decay', nonNegativeNumber, 0.01),
    option('--clip-norm <x>', 'gradient norm above which it is scaled down', positiveNumber, 1),
    option(
      '--evaluate-every <n>',
      'steps between measurements, each a checkpoint (default: a twentieth)',
      positiveInteger,
    ),
    ...gradientOptions,
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, column, seed, limit, batch } = options;
    if ((options.model === undefined) === (options.config === undefined)) {
      throw new UsageError('score fit: give exactly one of --model and --config');
    }
    const path = args[0] as string;
    const table = await readScoreTable(path, column);
    const rows = table.rows.subarray(0, limit);
    const samples = await openSamples(options.samples);
    if (rows.some((row) => row >= samples.count)) {
      throw new GradfoldError(
        'INVALID_DATA',
        `${path}: expected rows below ${samples.count}, the rows of ${options.samples}`,
      );
    }
    const directory = join(out, 'model');
    await claimFolder(out, { contents: CONTENTS, finished: join('model', SCORER_FILE) }, options.force);
    const samplesTokenizer = tokenizerBeside(options.samples, options.samplesTokenizer);
    const tokenizerPath = options.tokenizer ?? samplesTokenizer;
    const tokenizer = tokenizerPath === undefined ? undefined : await loadTokenizer(tokenizerPath);
    const steps = options.steps ?? Math.ceil((PASSES * rows.length) / batch);
    const trained = await withBackend(options, async (backend) => {
      const rater = await newRater(options, tokenizer, seed, backend, signal);
      let best = NaN;
      const result = await trainScorer(rater, {
        samples,
        rows,
        scores: table.scores.subarray(0, limit),
        reencode: await reencodeFor(samplesTokenizer, options.tokenizer, rater.config),
        heldOut: options.heldOut,
        seed,
        steps,
        batchSize: batch,
        optimizer: {
          kind: 'adamw',
          lr: options.lr,
          weightDecay: options.weightDecay,
          clipNorm: options.clipNorm,
        },
        schedule: {
          kind: 'cosine',
          warmupSteps: Math.min(steps, options.warmup ?? Math.ceil(steps / 10)),
          finalRatio: options.finalLr,
        },
        evaluateEvery: options.evaluateEvery,
        checkpointDir: join(out, 'checkpoints'),
        log: join(out, 'log.jsonl'),
        onStep({ step, spearman }) {
          if (typeof spearman === 'number') best = Math.max(best || -1, spearman);
          progress.update(`fit${best ? `, best Spearman ${best.toFixed(3)}` : ''}`, step, steps, 'steps');
        },
        signal,
      });
      await saveScorer(directory, rater, { ...result, column }, tokenizer);
      return result;
    });
    const { bestStep, spearman, trainingRows, heldOutRows } = trained;
    return {
      json: { path: directory, ...trained },
      text:
        `${directory}: trained on ${trainingRows} rows; Spearman on ${heldOutRows} held-out rows ` +
        `${spearman === null ? 'not defined, all scores are equal' : spearman.toFixed(3)} after step ${bestStep} of ${steps}`,
    };
  },
});

async function newRater(
  { model, config: path, pooling, causal, bias }: Flags,
  tokenizer: Tokenizer | undefined,
  seed: number,
  backend: Backend,
  signal: AbortSignal | undefined,
): Promise<SequenceRater> {
  const given =
    model === undefined
      ? ({ vocab_size: tokenizer?.vocabularySize, ...(await readJsonObject(path!)) } as unknown as ModelConfig)
      : await readConfig(model);
  const settings: RaterSettings = {
    pooling,
    bias,
    causal: causal === undefined ? transformerShape(given).causal : causal === 'true',
  };
  return model === undefined
    ? SequenceRater.initialize({ ...given, ...settings } as RaterConfig, { backend, seed, signal })
    : SequenceRater.fromPretrained(model, { backend, rater: settings, seed, signal });
}
