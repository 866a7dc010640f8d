import { describeBackends } from '../support/backends.ts';
import { describeFixtures } from '../support/fixture-suite.ts';
import { describeRaterFixtures } from '../support/rater-fixture-suite.ts';

describeBackends('golden fixtures', describeFixtures);
describeBackends('golden fixtures of raters', describeRaterFixtures);
