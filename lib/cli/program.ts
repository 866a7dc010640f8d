import { Command, CommanderError, Option } from 'commander';
import { GradfoldError } from '../errors.ts';
import { integer, option, positiveInteger, type CliCommand } from './command.ts';
import { COMMANDS, GROUPS } from './commands.ts';
import { UsageError, type CliIo } from './io.ts';
import { Progress } from './progress.ts';

const DESCRIPTION =
  'What each training sample is worth, which to keep, and in what order they come.\n' +
  'Start with `gradfold run recipes/demo.yaml`; `gradfold doctor` says what this machine can do.';

/** Exit statuses. */
export const OK = 0;
export const FAILED = 1;
export const BAD_USAGE = 2;

/**
 * The command line.
 * @param argv arguments after the program's name
 * @returns the exit status: 0 done, 1 failed or interrupted, 2 bad usage
 */
export async function main(argv: string[], io: CliIo, version = ''): Promise<number> {
  const program = new Command('gradfold').description(DESCRIPTION).version(version).helpCommand(false);
  setUp(program, io);
  for (const command of COMMANDS) addCommand(program, command, io);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return OK;
  } catch (error) {
    return report(error, io);
  }
}

/** Output goes where `io` says, and errors come back as exceptions. */
function setUp(command: Command, { stdout, stderr }: CliIo): Command {
  return command
    .exitOverride()
    .showHelpAfterError('(--help says more)')
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
}

function addCommand(program: Command, spec: CliCommand, io: CliIo): void {
  const [, words, parameters] = /^([\w ]*\w)((?: [<[].*)?)$/.exec(spec.usage)!;
  const path = words.split(' ');
  let parent = program;
  for (const word of path.slice(0, -1)) {
    const group = parent.commands.find((command) => command.name() === word);
    parent = group ?? setUp(parent.command(word).description(GROUPS[word]).helpCommand(false), io);
  }
  const command = setUp(parent.command(`${path.at(-1)}${parameters}`), io).description(spec.description);
  const own = new Set(spec.options.map((each) => each.long));
  const common = commonOptions(spec).filter((each) => !own.has(each.long)); // a command may give one its own meaning
  for (const each of [...spec.options, ...common]) command.addOption(each);
  command.addHelpText('after', `\nExample:\n  ${spec.example}`);
  command.action(async (...values: unknown[]) => {
    const progress = new Progress(io);
    try {
      const args = values.slice(0, -2) as (string | string[])[];
      const options = command.opts<{ json: boolean; seed: number }>();
      const { json, text } = await spec.run({ args, options, io, progress });
      progress.end();
      io.stdout.write(options.json ? `${JSON.stringify(json, null, 2)}\n` : `${text}\n`);
    } finally {
      progress.end();
    }
  });
}

function commonOptions(spec: CliCommand): Option[] {
  const limits = spec.limits ? `take at most this many ${spec.limits}` : 'accepted everywhere; nothing to limit here';
  return [
    new Option('--json', 'print the result as JSON').default(false),
    option('--seed <n>', 'seed of everything random', integer, 0),
    option('--limit <n>', limits, positiveInteger),
  ];
}

/** Says what went wrong in one line, and what that means for the exit status. */
function report(error: unknown, io: CliIo): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? OK : BAD_USAGE;
  if (io.signal?.aborted) {
    io.stderr.write('gradfold: interrupted; nothing half-written was left. Run the same command again to go on.\n');
    return FAILED;
  }
  const message = error instanceof Error ? error.message : String(error);
  const expected = error instanceof GradfoldError || error instanceof UsageError;
  io.stderr.write(`gradfold: ${expected ? message : `unexpected error: ${message}`}\n`);
  if (process.env.GRADFOLD_DEBUG && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  return error instanceof UsageError ? BAD_USAGE : FAILED;
}
