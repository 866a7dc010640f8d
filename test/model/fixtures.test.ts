import { describe } from 'vitest';
import { TESTED_BACKENDS } from '../support/backends.ts';
import { describeFixtures } from '../support/fixture-suite.ts';

for (const tested of TESTED_BACKENDS) {
  describe.skipIf(!tested.available)(`golden fixtures on ${tested.name}`, () => describeFixtures(tested));
}
