// What per-sample statistics cost beside a plain pass over the same rows: for long rows, and for as many tokens in short
// ones, where a sample's gradient has fewer positions than a layer has inputs and other formulas are the cheap ones.
import { measureBeside, multipleRows, onWorkloads, plainRows, type Subject } from './subject.ts';
import type { BenchOptions, BenchRow } from './types.ts';
import { zipfBatch, type Workload } from './workloads.ts';

const SHORT_TIME = 8;
const SKETCH = { dimensions: 512, seed: 0 };
/** Gradients of all samples are asked for where they fit in this. */
const MOST_GRADIENT_BYTES = 4e9;

export function run(options: BenchOptions): Promise<BenchRow[]> {
  return onWorkloads(options, options.precision ?? 'f32', async (subject) => {
    const rows: BenchRow[] = [];
    for (const workload of [subject.workload, inShortRows(subject.workload)]) {
      const name = `${subject.name} ${workload.batch} × ${workload.time}`;
      rows.push(...(await benchSamples({ ...subject, workload, name, batch: zipfBatch(workload) }, options.repeats)));
    }
    return rows;
  });
}

/** The same number of tokens. */
function inShortRows(workload: Workload): Workload {
  return { ...workload, batch: (workload.batch * workload.time) / SHORT_TIME, time: SHORT_TIME };
}

async function benchSamples(subject: Subject, repeats: number): Promise<BenchRow[]> {
  const { model, batch, gradient } = subject;
  const [u, v] = [model.parameters.copy(), model.parameters.copy()];
  const weights = new Float64Array(batch.batch).fill(1 / batch.batch);
  const passes: Record<string, () => Promise<unknown>> = {
    norms: () => model.perSample(batch, { norms: true }),
    'norms + 2 dots + weighted gradient': () =>
      model.perSample(batch, { norms: true, dots: [u, v], weights, into: gradient }),
    Gram: () => model.perSample(batch, { gram: true }),
    [`sketch to ${SKETCH.dimensions}`]: () => model.perSample(batch, { sketch: SKETCH }),
  };
  if (4 * batch.batch * model.parameterCount <= MOST_GRADIENT_BYTES) {
    passes['the gradients themselves'] = async () => {
      const { gradients } = await model.perSample(batch, { gradients: true });
      for (const g of gradients!) g.dispose();
    };
  }
  const measured = await measureBeside(subject, repeats, passes);
  u.dispose();
  v.dispose();
  const floors = Object.fromEntries(Object.keys(passes).map((name) => [name, undefined]));
  return [...plainRows(subject, measured), ...multipleRows(subject, measured, floors)];
}
