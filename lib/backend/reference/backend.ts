import { totalmem } from 'node:os';
import { GradfoldError } from '../../errors.ts';
import type { ParameterLayout } from '../../model/layout.ts';
import type { RaterShape, TransformerShape } from '../../model/shape.ts';
import { registered } from '../check.ts';
import type { Backend, BackendInfo, BackendOptions, Engine } from '../types.ts';
import { ReferenceModel } from './model.ts';
import { JobQueue } from './queue.ts';
import { ReferenceRater } from './rater.ts';
import { sampleLinear } from './sample-linear.ts';

/** The reference backend is always available: TypeScript in float64 on the calling thread. */
export function referenceInfo(): BackendInfo {
  return {
    name: 'reference',
    available: true,
    device: 'JavaScript, float64',
    threads: 1,
    gemm: 'typescript',
    memory: totalmem(),
  };
}

/**
 * Opens the reference backend: nothing compiled, everything in float64, `threads`, `device` and `recompute` without
 * effect.
 * @throws GradfoldError UNSUPPORTED for precision 'bf16'
 */
export function openReferenceBackend(options: BackendOptions = {}): Backend {
  if (options.precision === 'bf16') {
    throw new GradfoldError(
      'UNSUPPORTED',
      'precision: the reference backend computes in float64 and has no "bf16"; open the cpu or cuda backend for it',
    );
  }
  const queue = new JobQueue();
  const engine: Engine = {
    createModel(shape: TransformerShape, layout: ParameterLayout): ReferenceModel {
      queue.checkOpen();
      return new ReferenceModel(shape, layout, queue);
    },
    createRater(shape: RaterShape, layout: ParameterLayout): ReferenceRater {
      queue.checkOpen();
      return new ReferenceRater(shape, layout, queue);
    },
    perSampleLinear: (problem, request, signal) => queue.run(sampleLinear(problem, request), signal),
  };
  return registered({
    name: 'reference',
    precision: 'f32',
    info: referenceInfo(),
    engine,
    dispose: () => queue.close(),
  });
}
