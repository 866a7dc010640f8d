// Softmax weights and their gradient beside memory bandwidth: GB/s of the least that any implementation must move, which
// is every input once and the result once.
import { softmaxWeights, softmaxWeightsBackward } from 'gradfold';
import { Bandwidth } from './bandwidth.ts';
import { interleaved } from './interleaved.ts';
import { normalScores } from './scores.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const ROWS = 1e7;

export async function run({ repeats }: BenchOptions): Promise<BenchRow[]> {
  const narrow = normalScores(ROWS);
  const wide = new Float64Array(narrow);
  const groups = Int32Array.from(narrow, (_, row) => row % 1000);
  const into = new Float64Array(ROWS);
  const weights = softmaxWeights(narrow);
  const tasks = {
    'softmaxWeights, float32': { bytes: 12, run: () => softmaxWeights(narrow, { into }) },
    'softmaxWeights, float32, new array': { bytes: 12, run: () => softmaxWeights(narrow) },
    'softmaxWeights, float64': { bytes: 16, run: () => softmaxWeights(wide, { into }) },
    'softmaxWeights, float32, 1000 groups': { bytes: 16, run: () => softmaxWeights(narrow, { into, groups }) },
    softmaxWeightsBackward: { bytes: 24, run: () => softmaxWeightsBackward(weights, wide, { into }) },
    // The plainest passes over the same arrays, on one thread.
    'float32 to float64': { bytes: 12, run: () => into.set(narrow) },
    'float32 to float64, new array': { bytes: 12, run: () => new Float64Array(narrow) },
  };
  const entries = Object.entries(tasks);
  const calls = Object.fromEntries(entries.map(([name, { run }]) => [name, async () => run()]));
  const bandwidth = await Bandwidth.open();
  try {
    const seconds = await interleaved<string>(repeats, { ...calls, ...bandwidth.tasks });
    const best = bandwidth.best(seconds);
    return entries.map(([name, { bytes }]) => ({
      name: `${name}, ${ROWS.toExponential(0)} rows`,
      value: (ROWS * bytes) / seconds[name] / 1e9,
      unit: 'GB/s',
      ceiling: best / 1e9,
      note: `${seconds[name].toFixed(3)} s`,
    }));
  } finally {
    bandwidth.dispose();
  }
}
