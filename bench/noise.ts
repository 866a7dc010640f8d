// npm run bench:noise -- --help
import { runExperiments } from './experiments.ts';
import { UsageError } from './options.ts';
import { find } from './noise/find.ts';
import { OPTIONS_HELP, parseRequest, type Request } from './noise/options.ts';
import { sensitivity } from './noise/sensitivity.ts';
import { compareTraining } from './noise/training.ts';

await runExperiments<Request['options']>({
  name: 'bench:noise',
  experiments: {
    find: { description: 'how well each score tells clean rows from corrupted ones', run: find },
    sensitivity: { description: 'how that depends on the settings of the annotation', run: sensitivity },
    train: { description: 'what training on the rows that LQS selects is worth', run: compareTraining },
  },
  optionsHelp: OPTIONS_HELP,
  indent: 20,
  parseRequest,
  UsageError,
});
