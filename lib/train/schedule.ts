import { checkFinite, checkInteger, checkOptions, invalid, type OptionNames } from '../check.ts';

/** How the learning rate moves over a run, relative to its peak (the optimizer's `lr`). */
export interface ScheduleConfig {
  /** 'cosine': half a cosine from the peak to `finalRatio` times the peak. */
  kind: 'constant' | 'cosine';
  /** Steps of linear warm-up from 0, the first step excluded from 0; default 0. */
  warmupSteps?: number;
  /** Learning rate at the end of a cosine, as a fraction of the peak, in [0, 1]; default 0.1. */
  finalRatio?: number;
}

const CONFIG: OptionNames<ScheduleConfig> = { kind: true, warmupSteps: true, finalRatio: true };

/** Shape of each schedule after warm-up: progress in [0, 1) → fraction of the peak. */
const DECAY: Record<ScheduleConfig['kind'], (progress: number, finalRatio: number) => number> = {
  constant: () => 1,
  cosine: (progress, finalRatio) => finalRatio + ((1 - finalRatio) * (1 + Math.cos(Math.PI * progress))) / 2,
};

/** Checks a schedule for a run of `steps` steps and fills in its defaults. */
export function resolveSchedule(config: ScheduleConfig, steps: number): Required<ScheduleConfig> {
  checkOptions('schedule', config, CONFIG);
  if (typeof config.kind !== 'string' || !Object.hasOwn(DECAY, config.kind))
    throw invalid('schedule.kind', Object.keys(DECAY).join(' or '), config.kind);
  return {
    kind: config.kind,
    warmupSteps: checkInteger('schedule.warmupSteps', config.warmupSteps ?? 0, 0, steps),
    finalRatio: checkFinite('schedule.finalRatio', config.finalRatio ?? 0.1, { min: 0, max: 1 }),
  };
}

/**
 * The learning rate of step `step` (0-based) of `steps`, as a fraction of the peak: (step + 1) / warmupSteps during
 * warm-up, then the decay over the remaining steps (Loshchilov & Hutter 2017, without restarts).
 */
export function scheduleFactor(schedule: Required<ScheduleConfig>, step: number, steps: number): number {
  const { kind, warmupSteps, finalRatio } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  return DECAY[kind]((step - warmupSteps) / (steps - warmupSteps), finalRatio);
}
