import { cpus } from 'node:os';
import { GradfoldError, openBackend, type Backend } from 'gradfold';

export interface Experiment<Options> {
  description: string;
  run(
    backend: Backend,
    options: Options & { onProgress(message: string): void },
  ): Promise<{ text: string; json: object }>;
}

/** A bench that is made of several experiments with the same options. */
export interface ExperimentBench<Options> {
  /** As in `npm run NAME`. */
  name: string;
  experiments: Record<string, Experiment<Options>>;
  /** What each option is for, a line each. */
  optionsHelp: string;
  /** Column at which the help says what an option is for. */
  indent: number;
  /** Reads a command line; throws a `UsageError` for one that means nothing. */
  parseRequest(args: string[], experiments: readonly string[]): { experiment: string; options: Options; json: boolean };
  UsageError: new (message: string) => Error;
}

/** Does what the command line asks for: prints an experiment's tables, or with --json its settings and results. */
export async function runExperiments<Options extends { threads: number }>(
  bench: ExperimentBench<Options>,
): Promise<void> {
  const request = readRequest(bench);
  if (!request) return;
  const { experiment, options, json } = request;
  const backend = await openBackend('auto', { threads: options.threads });
  try {
    const started = performance.now();
    const { text, json: results } = await bench.experiments[experiment].run(backend, {
      ...options,
      onProgress: (message: string) => console.error(message),
    });
    const seconds = Math.round((performance.now() - started) / 1000);
    const machine = { cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
    console.log(json ? JSON.stringify({ experiment, options, machine, seconds, results }, null, 2) : text);
    if (!json) console.log(`${seconds} s on ${options.threads} threads of ${machine.cpu}`);
  } catch (error) {
    if (!(error instanceof GradfoldError)) throw error;
    console.error(`${bench.name}: ${error.message}`);
    process.exitCode = 1;
  } finally {
    backend.dispose();
  }
}

/** Undefined where the help or what is wrong with the command line has been printed instead. */
function readRequest<Options>(bench: ExperimentBench<Options>) {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(help(bench));
    return undefined;
  }
  try {
    return bench.parseRequest(args, Object.keys(bench.experiments));
  } catch (error) {
    if (!(error instanceof bench.UsageError)) throw error;
    console.error(`${bench.name}: ${error.message}\n\n${help(bench)}`);
    process.exitCode = 2;
    return undefined;
  }
}

function help<Options>({ name, experiments, optionsHelp, indent }: ExperimentBench<Options>): string {
  const line = (what: string, meaning: string) => `  ${what.padEnd(indent - 2)}${meaning}`;
  return [
    `npm run ${name} -- EXPERIMENT [options]`,
    '',
    'experiments:',
    ...Object.entries(experiments).map(([experiment, { description }]) => line(experiment, description)),
    '',
    optionsHelp,
    line('--help', 'this text'),
  ].join('\n');
}
