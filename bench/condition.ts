// Conditioning and packing text made up for it, beside the tokenizer alone: speed, and memory at its peak. Every
// measurement has a process of its own, as peak memory is a process's.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { trainTokenizer, writeCorpus } from 'gradfold';
import { syntheticDocuments } from './condition-text.ts';
import type { ConditionJob, ConditionResult } from './condition-worker.ts';
import { median } from './statistics.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const DEFAULT_BYTES = { small: 64e6, large: 1e9 };
const VOCABULARY = 4096;
const TRAINING_BYTES = 2e6;
/** Text of a quarter of the size shows whether memory grows with it. */
const QUARTER = 0.25;

export async function run({ repeats, large, bytes, backend }: BenchOptions): Promise<BenchRow[]> {
  const build = fileURLToPath(new URL('..', import.meta.url)); // on disk, where temporary files may be in memory
  await mkdir(build, { recursive: true });
  const folder = await mkdtemp(join(build, 'bench-condition-'));
  const size = bytes ?? (large ? DEFAULT_BYTES.large : DEFAULT_BYTES.small);
  try {
    const sizes = { whole: size, quarter: QUARTER * size };
    for (const [name, of] of Object.entries(sizes)) {
      await writeCorpus(join(folder, `${name}.arrow`), syntheticDocuments(of));
    }
    await trainTokenizer(texts(TRAINING_BYTES), { vocabularySize: VOCABULARY }).save(join(folder, 'tokenizer'));
    return await measured(folder, backend.threads ?? availableParallelism(), repeats);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measured(folder: string, threads: number, repeats: number): Promise<BenchRow[]> {
  const jobs = {
    'tokenizer alone': { corpus: 'whole', threads: 0 },
    'condition, 1 thread': { corpus: 'whole', threads: 1 },
    'condition, 1 thread, a quarter of the text': { corpus: 'quarter', threads: 1 },
    ...(threads > 1 && { [`condition, ${threads} threads`]: { corpus: 'whole', threads } }),
  };
  const entries = Object.entries(jobs).map(([name, job]) => ({ name, job, results: [] as ConditionResult[] }));
  for (let round = 0; round < repeats; round++) {
    for (const { job, results } of entries) results.push(await measure({ folder, ...job }));
  }
  const middle = (results: ConditionResult[], of: (result: ConditionResult) => number) => median(results.map(of));
  const rate = (results: ConditionResult[], of: 'seconds' | 'cpuSeconds') =>
    middle(results, (result) => result.textBytes / 1e6 / result[of]);
  const [alone] = entries;
  const rates = entries.map(({ name, results }): BenchRow => {
    const [{ textBytes, tokens }] = results;
    const share = (rate(results, 'cpuSeconds') / rate(alone.results, 'cpuSeconds')).toFixed(2);
    return {
      name,
      value: rate(results, 'seconds'),
      unit: 'MB/s',
      note: [
        `${(textBytes / 1e6).toFixed(0)} MB of text, ${(tokens / 1e6).toFixed(1)} million tokens`,
        `${rate(results, 'cpuSeconds').toFixed(2)} MB a second of processor time`,
        ...(name === alone.name ? [] : [`${share} of the tokenizer alone`]),
      ].join('; '),
    };
  });
  const peaks = entries.map(({ name, results }): BenchRow => ({
    name: `memory at its peak, ${name}`,
    value: middle(results, ({ peakOwn }) => peakOwn) / 1e6,
    unit: 'MB',
    note: `${(middle(results, ({ peakResident }) => peakResident) / 1e6).toFixed(0)} MB with what was read of the corpus, page cache`,
  }));
  return [...rates, ...peaks];
}

async function measure(job: ConditionJob): Promise<ConditionResult> {
  const worker = fileURLToPath(new URL('condition-worker.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [worker, JSON.stringify(job)]);
  return JSON.parse(stdout) as ConditionResult;
}

function* texts(bytes: number): Generator<string> {
  for (const { text } of syntheticDocuments(bytes)) yield text;
}
