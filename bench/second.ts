// Second-order passes beside a plain one: the Hessian-vector product with its JVP, and the passes of a DataRater meta step
// (Calian et al. 2025) with two inner steps.
import { createOptimizer } from 'gradfold';
import { measureBeside, multipleRows, onWorkloads, plainRows, type Subject } from './subject.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { ADAMW, zipfBatch } from './workloads.ts';

/** A linear layer has three products in a plain pass, as in one for dots, and eight in a dual pass. */
const DUAL_FLOOR = 8 / 3;
const HVP = 'Hessian-vector product + JVP';
const META = 'meta step T = 2, passes only: 2 inner, outer, 2 dual';
const META_CHEAPER = 'meta step T = 2, passes only: 2 inner, outer, dual, JVP';

export function run(options: BenchOptions): Promise<BenchRow[]> {
  return onWorkloads(options, options.precision ?? 'f32', (subject) => benchSecondOrder(subject, options.repeats));
}

async function benchSecondOrder(subject: Subject, repeats: number): Promise<BenchRow[]> {
  const { workload, model, batch, gradient } = subject;
  const optimizer = createOptimizer(model, ADAMW);
  const direction = model.parameters.copy();
  const inner = [batch, zipfBatch(workload, 1)];
  const heldOut = zipfBatch(workload, 2);
  const weights = Float64Array.from(
    { length: batch.batch },
    (_, i) => (2 * (i + 1)) / (batch.batch * (batch.batch + 1)),
  );

  const dual = async (of = batch) => (await model.hvp(of, direction, { weights })).hvp.dispose();
  const forward = async () => {
    for (const rows of inner) {
      await model.gradient(rows, { weights, into: gradient });
      await optimizer.step(gradient);
    }
    await model.gradient(heldOut, { into: gradient });
  };
  const measured = await measureBeside(subject, repeats, {
    [HVP]: () => dual(),
    [META]: async () => {
      await forward();
      for (const rows of inner.toReversed()) await dual(rows);
    },
    // The earliest step's Hessian product is of use only to whoever asks for the derivative by θ_0.
    [META_CHEAPER]: async () => {
      await forward();
      await dual(inner[1]);
      await model.perSample(inner[0], { dots: [direction] });
    },
  });
  return [
    ...plainRows(subject, measured),
    ...multipleRows(subject, measured, {
      [HVP]: DUAL_FLOOR,
      [META]: 3 + 2 * DUAL_FLOOR,
      [META_CHEAPER]: 3 + DUAL_FLOOR + 1,
    }),
  ];
}
