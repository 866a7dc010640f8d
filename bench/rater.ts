// npm run bench:rater -- --help
import { cpus } from 'node:os';
import { GradfoldError, openBackend, type Backend } from 'gradfold';
import { ceiling } from './rater/ceiling.ts';
import { find } from './rater/find.ts';
import { compareTraining } from './rater/train.ts';
import { OPTIONS_HELP, parseRequest, UsageError, type RaterBenchOptions, type Request } from './rater/settings.ts';

type Experiment = (backend: Backend, options: RaterBenchOptions) => Promise<{ text: string; json: object }>;

const EXPERIMENTS: Record<string, { description: string; run: Experiment }> = {
  find: { description: 'how well a rater tells clean rows from corrupted ones', run: find },
  ceiling: { description: 'how well one that is trained on the labels tells them', run: ceiling },
  train: { description: 'what training on the rows that a rater keeps is worth', run: compareTraining },
};

const HELP = `npm run bench:rater -- EXPERIMENT [options]

experiments:
${Object.entries(EXPERIMENTS)
  .map(([name, { description }]) => `  ${name.padEnd(20)}${description}`)
  .join('\n')}

${OPTIONS_HELP}
  --help              this text`;

function request(): Request {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(HELP);
    process.exit(0);
  }
  try {
    return parseRequest(args, Object.keys(EXPERIMENTS));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench:rater: ${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const { experiment, options, json } = request();
const backend = await openBackend('auto', { threads: options.threads });
try {
  const started = performance.now();
  const { text, json: results } = await EXPERIMENTS[experiment].run(backend, {
    ...options,
    onProgress: (message) => console.error(message),
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
  console.log(json ? JSON.stringify({ experiment, options, machine, seconds, results }, null, 2) : text);
  if (!json) console.log(`${seconds} s on ${options.threads} threads of ${machine.cpu}`);
} catch (error) {
  if (!(error instanceof GradfoldError)) throw error;
  console.error(`bench:rater: ${error.message}`);
  process.exitCode = 1;
} finally {
  backend.dispose();
}
