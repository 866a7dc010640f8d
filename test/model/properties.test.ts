import { describe } from 'vitest';
import { describeBackends } from '../support/backends.ts';
import { ARCHITECTURES } from '../support/models.ts';
import { describeProperties, type Grid } from '../support/property-suite.ts';
import { describeRaterProperties } from '../support/rater-property-suite.ts';

const shapes = (times: number[], sizes: number[]): Grid =>
  times.flatMap((time) => sizes.map((size): Grid[0] => [time, size]));
const FULL = shapes([1, 7, 64, 257], [1, 3, 8]);
const SMALL = [...shapes([1, 7], [1, 3, 8]), ...shapes([33], [2])]; // the reference backend is slow

describeBackends('properties', (tested) => {
  describe.each(Object.entries(ARCHITECTURES))('%s', (_, config) => {
    describeProperties(tested, config, tested.name === 'reference' ? SMALL : FULL);
  });
});

describeBackends('properties of raters', (tested) => {
  describe.each(Object.entries(ARCHITECTURES))('%s', (_, config) => {
    describeRaterProperties(
      tested,
      config,
      tested.name === 'reference' ? shapes([1, 6], [3]) : shapes([1, 7, 64], [3]),
    );
  });
});
