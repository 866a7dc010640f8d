import type { LinearProblem, LinearRequest, LinearResult } from '../types.ts';
import type { Job } from './queue.ts';

/**
 * Per-sample statistics of a linear layer from their definitions, in float64: g_i = Σ_t (∂ℓ/∂y_t) ⊗ x_t over the
 * positions of sample i, and everything else from the g_i. Yields after each of them. The arrays are copied at once: the
 * job may run later.
 */
export function sampleLinear(problem: LinearProblem, request: LinearRequest): Job<LinearResult> {
  const { activations, outputGradients } = problem;
  return statistics(
    { ...problem, activations: activations.slice(), outputGradients: outputGradients.slice() },
    { ...request, dots: request.dots.map((v) => v.slice()) },
  );
}

function* statistics(problem: LinearProblem, request: LinearRequest): Job<LinearResult> {
  const { batch } = problem;
  const gradients: Float64Array[] = [];
  for (let i = 0; i < batch; i++) {
    gradients.push(sampleGradient(problem, i));
    yield;
  }
  const size = problem.outFeatures * problem.inFeatures;
  const result: LinearResult = { dots: request.dots.map((v) => Float64Array.from(gradients, (g) => dot(g, v))) };
  if (request.norms) result.norms = Float64Array.from(gradients, (g) => Math.sqrt(dot(g, g)));
  if (request.gram) result.gram = Float64Array.from(gradients.flatMap((a) => gradients.map((b) => dot(a, b))));
  if (request.gradient) {
    result.gradient = new Float64Array(size);
    for (let i = 0; i < batch; i++) addScaled(result.gradient, request.weights[i], gradients[i]);
  }
  if (request.gradients) {
    result.gradients = new Float64Array(batch * size);
    for (let i = 0; i < batch; i++) result.gradients.set(gradients[i], i * size);
  }
  return result;
}

/** [outFeatures × inFeatures] */
function sampleGradient(problem: LinearProblem, sample: number): Float64Array {
  const { activations, outputGradients, time, inFeatures, outFeatures } = problem;
  const gradient = new Float64Array(outFeatures * inFeatures);
  for (let t = sample * time; t < (sample + 1) * time; t++) {
    const x = activations.subarray(t * inFeatures, (t + 1) * inFeatures);
    for (let o = 0; o < outFeatures; o++) {
      const row = gradient.subarray(o * inFeatures, (o + 1) * inFeatures);
      addScaled(row, outputGradients[t * outFeatures + o], x);
    }
  }
  return gradient;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** y += a x */
function addScaled(y: { [index: number]: number }, a: number, x: ArrayLike<number>): void {
  for (let i = 0; i < x.length; i++) y[i] += a * x[i];
}
