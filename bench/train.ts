// A training step and its parts, with the measured product rate of the same run and precision beside them.
import { createOptimizer } from 'gradfold';
import { precisionsOf } from './backends.ts';
import { measureBeside, multipleRows, onWorkloads, plainRows, type Subject } from './subject.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { ADAMW, stepFlops } from './workloads.ts';

const STEP = 'training step';
const LOSS = 'loss';

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
    peakRow(subject, backend.info.memory),
  ];
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
