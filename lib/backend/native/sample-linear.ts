import type { EngineAddon, NativeEngine } from '../addon.ts';
import { runJob } from './job.ts';
import type { FloatArray, LinearProblem, LinearRequest, LinearResult } from '../types.ts';

/** Engine.perSampleLinear of a native engine, which computes in float32. */
export function sampleLinear(
  addon: EngineAddon,
  engine: NativeEngine,
  problem: LinearProblem,
  request: LinearRequest,
  signal?: AbortSignal,
): Promise<LinearResult> {
  const { activations, outputGradients } = problem;
  return runJob(addon, signal, (stop) =>
    engine.perSampleLinear(
      { ...problem, activations: float32(activations), outputGradients: float32(outputGradients) },
      { ...request, dots: request.dots.map(float32) },
      stop,
    ),
  );
}

const float32 = (x: FloatArray): Float32Array => (x instanceof Float32Array ? x : new Float32Array(x));
