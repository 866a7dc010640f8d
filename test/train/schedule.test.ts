import { describe, expect, it } from 'vitest';
import { resolveSchedule, scheduleFactor, type ScheduleConfig } from '../../lib/train/schedule.ts';

const factors = (config: ScheduleConfig, steps: number) => {
  const schedule = resolveSchedule(config, steps);
  return Array.from({ length: steps }, (_, step) => scheduleFactor(schedule, step, steps));
};

describe('scheduleFactor', () => {
  it('warms up linearly, then holds', () => {
    expect(factors({ kind: 'constant', warmupSteps: 4 }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  });

  it('follows half a cosine to the final ratio', () => {
    const [start, quarter, middle, late] = factors({ kind: 'cosine', finalRatio: 0.2 }, 4);
    expect(start).toBe(1);
    expect(quarter).toBeCloseTo(0.2 + 0.4 * (1 + Math.SQRT1_2), 14);
    expect(middle).toBeCloseTo(0.6, 14);
    expect(late).toBeCloseTo(0.2 + 0.4 * (1 - Math.SQRT1_2), 14);
  });

  it('ends a long run near a tenth of the peak by default', () => {
    const all = factors({ kind: 'cosine', warmupSteps: 50 }, 1000);
    expect(Math.max(...all)).toBe(1);
    expect(all.at(-1)).toBeGreaterThan(0.1);
    expect(all.at(-1)).toBeLessThan(0.1001);
  });

  it.each<[ScheduleConfig, string]>([
    [{ kind: 'linear' as 'cosine' }, 'schedule.kind: expected constant or cosine, got "linear"'],
    [{ kind: 'cosine', warmupSteps: 11 }, 'schedule.warmupSteps: expected an integer in [0, 10], got 11'],
    [{ kind: 'cosine', finalRatio: 2 }, 'schedule.finalRatio'],
  ])('rejects %j', (config, message) => {
    expect(() => resolveSchedule(config, 10)).toThrow(message);
  });
});
