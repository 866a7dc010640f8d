import { describe } from 'vitest';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { describeProperties, type Grid } from '../support/property-suite.ts';

const shapes = (times: number[]): Grid => times.flatMap((time) => [1, 3, 8].map((size): Grid[0] => [time, size]));
const SMALL = shapes([1, 7, 33]); // the reference backend is slow
const FULL = shapes([1, 7, 64, 257]);

for (const tested of TESTED_BACKENDS) {
  const grid = tested.name === 'reference' ? SMALL : FULL;
  describe.skipIf(!tested.available)(`properties on ${tested.name}`, () => describeProperties(tested, grid));
}
