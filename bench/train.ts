// A training step and its parts, with the measured product rate of the same run and precision beside them.
import { createOptimizer, InRunScores, type Batch, type Optimizer } from 'gradfold';
import { precisionsOf } from './backends.ts';
import { measureBeside, multipleRows, onWorkloads, plainRows, type Measured, type Subject } from './subject.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { ADAMW, stepFlops } from './workloads.ts';

const STEP = 'training step';
const LOSS = 'loss';
const SCORED_STEP = 'training step with dot products';
const REFRESH = 'target gradient';
/** As `gradfold train --in-run` has it: an eighth of the batch every second step. */
const REFRESH_EVERY = 2;

export async function run(options: BenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const precision of await precisionsOf(options)) {
    rows.push(...(await onWorkloads(options, precision, (subject) => benchTraining(subject, options.repeats))));
  }
  return rows;
}

async function benchTraining(subject: Subject, repeats: number): Promise<BenchRow[]> {
  const { workload, name, backend, model, batch, gradient } = subject;
  const optimizer = createOptimizer(model, ADAMW);
  const measured = await measureBeside(subject, repeats, {
    [LOSS]: () => model.loss(batch),
    [STEP]: async () => {
      await model.gradient(batch, { into: gradient });
      await optimizer.step(gradient);
    },
    ...inRunPasses(subject, optimizer),
  });
  const seconds = measured.seconds[STEP];
  const flops = stepFlops(workload, model.parameterCount);
  const tokens = workload.batch * workload.time;
  return [
    ...plainRows(subject, measured),
    ...multipleRows(subject, measured, { [LOSS]: 1 / 3 }),
    {
      name: `${name} ${STEP}`,
      value: tokens / seconds,
      unit: 'tokens/s',
      ceiling: (tokens * measured.ceiling) / flops,
      note: `AdamW; ${(flops / seconds / 1e9).toPrecision(4)} GFLOP/s`,
    },
    inRunRow(subject, measured),
    peakRow(subject, backend.info.memory),
  ];
}

/** What in-run scores add to a run: dot products in every step, and every few steps the gradient of some target rows. */
function inRunPasses({ model, batch, gradient }: Subject, optimizer: Optimizer) {
  const rows = Uint32Array.from({ length: batch.batch }, (_, row) => row);
  const samples = { tokens: (row: number) => batch.inputIds.subarray(row * batch.time, (row + 1) * batch.time) };
  const options = { samples, target: rows, targetRows: targetRows(batch), refreshEvery: REFRESH_EVERY };
  const inRun = new InRunScores(model, options);
  const weights = new Float64Array(batch.batch).fill(1 / batch.batch);
  const directions = (step: number) => inRun.directions({ step, lr: optimizer.lr, optimizer, scratch: gradient });
  return {
    [REFRESH]: () => directions(0),
    [SCORED_STEP]: async () => {
      const { losses, dots } = await model.perSample(batch, { weights, into: gradient, dots: await directions(1) });
      inRun.observe({ step: 1, lr: optimizer.lr, rows, weights, losses, dots: dots! });
      await optimizer.step(gradient);
    },
  };
}

const targetRows = ({ batch }: Batch): number => Math.max(1, Math.round(batch / 8));

function inRunRow({ name, batch }: Subject, { seconds }: Measured): BenchRow {
  const refresh = seconds[REFRESH] / REFRESH_EVERY;
  return {
    name: `${name} ${STEP} with in-run scores`,
    value: (seconds[SCORED_STEP] + refresh) / seconds[STEP],
    unit: '× training step',
    note: `${targetRows(batch)} target rows every ${REFRESH_EVERY} steps: ${(refresh / seconds[STEP]).toFixed(3)} of a step`,
  };
}

/** What model.memory() predicts of a training step, beside the memory of the machine. */
function peakRow({ name, model, batch }: Subject, machine: number | undefined): BenchRow {
  const { total, ...parts } = model.memory({ batch: batch.batch, time: batch.time }, 'trainingStep');
  return {
    name: `${name} ${STEP}, peak memory, predicted`,
    value: total / 1e6,
    unit: 'MB',
    ceiling: machine && machine / 1e6,
    note: Object.entries(parts)
      .map(([part, bytes]) => `${part} ${(bytes / 1e6).toFixed(0)}`)
      .join(', '),
  };
}
