import type { EngineVector } from '../backend/types.ts';
import { checkFinite, checkList, checkOptions, invalid, type OptionNames } from '../check.ts';
import type { ParameterVector } from './parameter-vector.ts';

/** θ ← θ − lr·s·g */
export interface SgdConfig {
  kind: 'sgd';
  lr: number;
  /** The gradient is scaled by s = min(1, clipNorm / (‖g‖ + 1e-6)); default: no clipping. */
  clipNorm?: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019) with decoupled weight decay on all parameters: θ ← θ − lr·wd·θ − lr·m̂/(√v̂ + ε).
 */
export interface AdamwConfig {
  kind: 'adamw';
  lr: number;
  /** Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  eps?: number;
  /** Default 0. */
  weightDecay?: number;
  /** As for SGD. */
  clipNorm?: number;
}

export type OptimizerConfig = SgdConfig | AdamwConfig;

const CONFIG: OptionNames<SgdConfig & Omit<AdamwConfig, 'kind'>> = {
  kind: true,
  lr: true,
  clipNorm: true,
  betas: true,
  eps: true,
  weightDecay: true,
};

/** A configuration with its defaults. */
export interface OptimizerSettings {
  kind: OptimizerConfig['kind'];
  lr: number;
  clipNorm: number;
  betas: [number, number];
  eps: number;
  weightDecay: number;
}

/** First and second moments of the gradient, of AdamW. */
export interface Moments {
  m: ParameterVector;
  v: ParameterVector;
}

/** Where AdamW stands between two updates. */
export interface OptimizerState extends Moments {
  /** Updates made so far. */
  step: number;
}

/**
 * A configuration, checked, with its defaults.
 * @throws GradfoldError INVALID_ARGUMENT naming the setting that is wrong.
 */
export function resolveOptimizer(config: OptimizerConfig): OptimizerSettings {
  checkOptions('optimizer', config, CONFIG);
  if (config.kind !== 'sgd' && config.kind !== 'adamw') {
    throw invalid('kind', '"sgd" or "adamw"', (config as { kind: unknown }).kind);
  }
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = config as Partial<AdamwConfig>;
  if (config.kind === 'sgd' && weightDecay !== 0) throw invalid('weightDecay', 'none or 0, for sgd', weightDecay);
  checkList('betas', betas);
  const beta = (k: 0 | 1) => {
    const value = checkFinite(`betas[${k}]`, betas[k], { min: 0 });
    if (value >= 1) throw invalid(`betas[${k}]`, 'a number < 1', value);
    return value;
  };
  const clipNorm = config.clipNorm ?? Infinity;
  return {
    kind: config.kind,
    lr: checkFinite('lr', config.lr, { min: 0 }),
    clipNorm: clipNorm === Infinity ? clipNorm : checkFinite('clipNorm', clipNorm, { above: 0 }),
    betas: [beta(0), beta(1)],
    eps: checkFinite('eps', eps, { above: 0 }),
    weightDecay: checkFinite('weightDecay', weightDecay, { min: 0 }),
  };
}

/**
 * One update of the parameters and, for AdamW, of the moments, in place.
 * @param step 1 for the first update
 * @returns ‖g‖₂ before clipping
 * @throws GradfoldError INVALID_DATA when ‖g‖ is not finite: nothing is updated then.
 */
export async function updateParameters(
  parameters: EngineVector,
  gradient: EngineVector,
  moments: Moments | undefined,
  settings: OptimizerSettings,
  step: number,
): Promise<number> {
  const norm = moments
    ? await parameters.adamwStep(gradient, moments.m.engine, moments.v.engine, { ...settings, step })
    : await parameters.sgdStep(gradient, settings);
  if (!Number.isFinite(norm)) {
    throw invalid('gradient', 'a finite norm', norm, { code: 'INVALID_DATA', fix: 'nothing was updated' });
  }
  return norm;
}

/**
 * The reverse of `updateParameters` for a scalar L of what it left, in place. `thetaAdjoint`, ∂L/∂θ after the update,
 * becomes ∂L/∂θ before it, at constant gradient. `gradient` and `moments`, which the update was given, are overwritten with ∂L/∂g
 * and ∂L by each of the moments.
 * @param after ∂L by the updated moments; none: 0
 */
export async function adjointOfUpdate(
  thetaAdjoint: EngineVector,
  gradient: EngineVector,
  moments: Moments | undefined,
  settings: OptimizerSettings,
  step: number,
  after?: Moments,
): Promise<void> {
  if (!moments) return thetaAdjoint.sgdAdjoint(gradient, settings);
  const [m, v] = [moments.m.engine, moments.v.engine];
  const adjoints = after && { m: after.m.engine, v: after.v.engine };
  return thetaAdjoint.adamwAdjoint(gradient, m, v, { ...settings, step }, adjoints);
}
