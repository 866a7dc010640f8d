// Second-order passes beside a plain one: the Hessian-vector product with its JVP, the JVP alone, and a whole DataRater meta
// step (Calian et al. 2025) with two inner steps.
import { metaGradient, VectorPool, type OptimizerConfig } from 'gradfold';
import { measureBeside, multipleRows, onWorkloads, plainRows, type Subject } from './subject.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { ADAMW, zipfBatch } from './workloads.ts';

/** A linear layer has three products in a plain pass, eight in a dual pass, and three in the forward half of that. */
const DUAL_FLOOR = 8 / 3;
const JVP_FLOOR = 1;
/** The same two products fewer where its gradient left a trace: values forward and backward. */
const TRACED_DUAL_FLOOR = 6 / 3;
/** Two inner gradients and the outer one; then the last step's dual pass and the first one's JVP. */
const META_FLOOR = 3 + TRACED_DUAL_FLOOR + JVP_FLOOR;
const HVP = 'Hessian-vector product + JVP';
const JVP = 'JVP alone';
const META_SGD = 'meta step T = 2, SGD';
const META_ADAMW = 'meta step T = 2, AdamW';

export function run(options: BenchOptions): Promise<BenchRow[]> {
  return onWorkloads(options, options.precision ?? 'f32', (subject) => benchSecondOrder(subject, options.repeats));
}

async function benchSecondOrder(subject: Subject, repeats: number): Promise<BenchRow[]> {
  const { workload, model, batch, gradient } = subject;
  const direction = model.parameters.copy();
  const batches = [batch, zipfBatch(workload, 1)];
  const outer = zipfBatch(workload, 2);
  const scores = batches.map(() => Float64Array.from({ length: batch.batch }, (_, i) => Math.sin(i)));
  const workspace = new VectorPool(model);
  const metaStep = async (optimizer: OptimizerConfig) => {
    const { final } = await metaGradient(model, { batches, scores, outer, optimizer, workspace });
    workspace.give(final);
  };

  const measured = await measureBeside(subject, repeats, {
    [HVP]: () => model.hvp(batch, direction, { addTo: gradient }),
    [JVP]: () => model.jvp(batch, direction),
    [META_SGD]: () => metaStep({ kind: 'sgd', lr: 0.1 }),
    [META_ADAMW]: () => metaStep(ADAMW),
  });
  workspace.dispose();
  return [
    ...plainRows(subject, measured),
    ...multipleRows(subject, measured, {
      [HVP]: DUAL_FLOOR,
      [JVP]: JVP_FLOOR,
      [META_SGD]: META_FLOOR,
      [META_ADAMW]: META_FLOOR,
    }),
  ];
}
