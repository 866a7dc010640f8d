// npm run bench:scorer -- --samples PATH --scores PATH --config PATH [options]: a scorer trained here and in PyTorch.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  openBackend,
  openSamples,
  readScoreTable,
  scorerData,
  SequenceRater,
  trainScorer,
  type AdamwConfig,
  type LlamaConfig,
  type RaterConfig,
  type ScorerLogEntry,
} from 'gradfold';
import { pythonVersions } from './peers/python.ts';

/** How far the two sides' best correlations may be apart. */
const LARGEST_DIFFERENCE = 0.02;

const { values } = parseArgs({
  options: {
    samples: { type: 'string' },
    scores: { type: 'string' },
    config: { type: 'string' },
    column: { type: 'string', default: 'lqs' },
    causal: { type: 'boolean', default: false },
    steps: { type: 'string', default: '200' },
    batch: { type: 'string', default: '32' },
    lr: { type: 'string', default: '1e-3' },
    seed: { type: 'string', default: '0' },
    'held-out': { type: 'string', default: '0.2' },
    threads: { type: 'string', default: '1' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
    json: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  console.error(`bench:scorer: ${message}`);
  process.exit(1);
}

const { samples: samplesPath, scores: scoresPath, config: configPath } = values;
if (!samplesPath || !scoresPath || !configPath) fail('expected --samples, --scores and --config');
const python = pythonVersions(values.python, 'bench:scorer');
if ('problem' in python) fail(python.problem);

const read = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
const samples = await openSamples(samplesPath);
const table = await readScoreTable(scoresPath, values.column);
const seed = Number(values.seed);
const steps = Number(values.steps);
const batchSize = Number(values.batch);
const threads = Number(values.threads);
const optimizer: AdamwConfig = { kind: 'adamw', lr: Number(values.lr), weightDecay: 0.01, clipNorm: 1 };
const source = { samples, rows: table.rows, scores: table.scores, heldOut: Number(values['held-out']), seed };
const data = scorerData(source);
const highest = Array.from(table.rows).reduce((most, row) => Math.max(most, ...samples.tokens(row)), 0);
const config = {
  vocab_size: highest + 1,
  ...(await read(configPath)),
  causal: values.causal,
  pooling: 'mean',
  bias: true,
} as RaterConfig;
const { model_type: kind, num_attention_heads: heads, num_key_value_heads: kvHeads = heads } = config as LlamaConfig;
if (kind !== 'llama' || kvHeads !== heads) fail('expected a llama configuration with as many key as query heads');

const directory = await mkdtemp(join(tmpdir(), 'gradfold-scorer-'));
try {
  const backend = await openBackend('cpu', { threads });
  const rater = await SequenceRater.initialize(config, { backend, seed });
  const model = join(directory, 'initial');
  await rater.savePretrained(model);
  const entries: ScorerLogEntry[] = [];
  const ours = await trainScorer(rater, {
    ...source,
    steps,
    batchSize,
    optimizer,
    onStep(entry) {
      entries.push(entry);
      if (entry.spearman !== undefined)
        console.error(`gradfold: step ${entry.step}, Spearman ${entry.spearman?.toFixed(4)}`);
    },
  });
  backend.dispose();

  const measured = entries.filter(({ spearman }) => spearman !== undefined).map(({ step }) => step);
  const places = Array.from(table.rows.keys());
  const job = {
    model,
    threads,
    optimizer,
    measured,
    rows: places.map((place) => Array.from(data.tokens(place))),
    scores: Array.from(data.scores),
    targets: Array.from(data.targets),
    heldOut: Array.from(data.heldOut),
    batches: entries.map((_, step) => Array.from(data.batch(step, batchSize))),
    rates: entries.map(({ lr }) => lr),
  };
  const jobPath = join(directory, 'job.json');
  await writeFile(jobPath, JSON.stringify(job));
  const script = fileURLToPath(new URL('../../bench/peers/torch/scorer.py', import.meta.url));
  const run = spawnSync(values.python, [script, jobPath], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  });
  if (run.status !== 0) fail('the PyTorch side failed; its message stands above');
  const theirs = JSON.parse(run.stdout) as { spearman: Record<string, number>; losses: number[] };
  const best = Math.max(...Object.values(theirs.spearman));
  const difference = Math.abs((ours.spearman ?? NaN) - best);
  if (values.json) {
    console.log(
      JSON.stringify({ python: python.versions, options: values, ours: { ...ours, entries }, theirs }, null, 2),
    );
  } else {
    console.log(`${python.versions}; ${ours.trainingRows} rows to train on, ${ours.heldOutRows} held out\n`);
    console.log('step   loss: gradfold  PyTorch    Spearman: gradfold  PyTorch');
    for (const { step, loss, spearman } of entries.filter((entry) => measured.includes(entry.step))) {
      const cells = [loss, theirs.losses[step - 1], spearman ?? NaN, theirs.spearman[step]].map((x) => x.toFixed(4));
      console.log(
        `${String(step).padEnd(6)} ${cells[0].padStart(14)} ${cells[1].padStart(8)} ${cells[2].padStart(21)} ${cells[3].padStart(8)}`,
      );
    }
    console.log(
      `\nbest Spearman: gradfold ${ours.spearman?.toFixed(4)}, PyTorch ${best.toFixed(4)}; ${difference.toFixed(4)} apart`,
    );
  }
  if (!(difference <= LARGEST_DIFFERENCE)) fail(`the best correlations are more than ${LARGEST_DIFFERENCE} apart`);
} finally {
  await rm(directory, { recursive: true });
}
