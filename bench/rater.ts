// npm run bench:rater -- --help
import { runExperiments } from './experiments.ts';
import { find } from './rater/find.ts';
import { OPTIONS_HELP, parseRequest, UsageError, type Request } from './rater/settings.ts';
import { compareTraining } from './rater/train.ts';

await runExperiments<Request['options']>({
  name: 'bench:rater',
  experiments: {
    find: { description: 'how well a rater tells clean rows from corrupted ones', run: find },
    train: { description: 'what training on the rows that a rater keeps is worth', run: compareTraining },
  },
  optionsHelp: OPTIONS_HELP,
  indent: 22,
  parseRequest,
  UsageError,
});
