// npm run bench:rater -- --help
import { runExperiments } from './experiments.ts';
import { UsageError } from './options.ts';
import { ceiling } from './rater/ceiling.ts';
import { find } from './rater/find.ts';
import { OPTIONS_HELP, parseRequest, type Request } from './rater/settings.ts';
import { compareTraining } from './rater/train.ts';

await runExperiments<Request['options']>({
  name: 'bench:rater',
  experiments: {
    find: { description: 'how well a rater tells clean rows from corrupted ones', run: find },
    ceiling: { description: 'how well one that is trained on the labels tells them', run: ceiling },
    train: { description: 'what training on the rows that a rater keeps is worth', run: compareTraining },
  },
  optionsHelp: OPTIONS_HELP,
  indent: 22,
  parseRequest,
  UsageError,
});
