import { median } from 'simple-statistics';

/** Which values of a quantity count as good. */
export const PREFERENCES = ['low', 'middle', 'high'] as const;
export type Preference = (typeof PREFERENCES)[number];

const ORIENTED: Record<Preference, (values: Float64Array) => Float64Array> = {
  low: (values) => values.map((value) => -value),
  high: (values) => values,
  middle(values) {
    const centre = median(Array.from(values));
    return values.map((value) => -Math.abs(value - centre));
  },
};

/** Values as scores, of which higher is better. */
export const oriented = (values: Float64Array, prefer: Preference): Float64Array => ORIENTED[prefer](values);
