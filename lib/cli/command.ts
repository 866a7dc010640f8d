import { access, rm } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import { boundsOf, isWithin, type NumberRange } from '../check.ts';
import { openBackend } from '../backend/open.ts';
import type { Backend, BackendName } from '../backend/types.ts';
import { GradfoldError } from '../errors.ts';
import type { CliIo, CommandOutput } from './io.ts';
import type { Progress } from './progress.ts';

/** One command of the program: what it takes, and what it runs. */
export interface CliCommand<Options extends object = object> {
  /** Words and arguments, as in `corpus demo` or `ingest <files...>`. */
  usage: string;
  description: string;
  example: string;
  /** What --limit counts; nothing to limit when absent. */
  limits?: string;
  options: Option[];
  run(call: CommandCall<Options>): Promise<CommandOutput>;
}

export interface CommonOptions {
  json: boolean;
  seed: number;
  limit?: number;
}

export interface CommandCall<Options> {
  /** Positional arguments; a variadic one is an array. */
  args: (string | string[])[];
  /** Those of the command, and the common ones. */
  options: Options & CommonOptions;
  io: CliIo;
  progress: Progress;
}

/** A command under its own option types, for the table of all commands. */
export function defineCommand<Options extends object>(command: CliCommand<Options>): CliCommand {
  return command as unknown as CliCommand;
}

/** Reads an integer of at least `min` >= 0 and at most `max`. */
export function integerIn(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const expected = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `in [${min}, ${max}]`;
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected an integer ${expected}.`);
  };
}

export const integer = integerIn(0);
export const positiveInteger = integerIn(1);

/** Integers >= 0 with commas between them. */
export function integers(text: string): number[] {
  return text.split(',').map(integer);
}

/** Reads a number within a range. */
export function numberIn(range: NumberRange): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (isWithin(value, range)) return value;
    throw new InvalidArgumentError(`expected a number${boundsOf(range)}.`);
  };
}

export const number = numberIn({});
export const positiveNumber = numberIn({ above: 0 });
export const nonNegativeNumber = numberIn({ min: 0 });
/** From nothing to all, both included. */
export const share = numberIn({ min: 0, max: 1 });

/** An option with a value that is parsed. */
export function option<T>(flags: string, description: string, parse?: (text: string) => T, initial?: T): Option {
  const made = new Option(flags, description);
  if (parse) made.argParser(parse);
  return initial === undefined ? made : made.default(initial);
}

export const outOption = (what: string): Option =>
  new Option('-o, --out <path>', `where ${what} goes`).makeOptionMandatory();
export const forceOption = new Option('--force', 'replace what is there already').default(false);

export interface BackendFlags {
  backend: BackendName | 'auto';
  threads?: number;
}

export const backendOptions: Option[] = [
  new Option('--backend <name>', 'compute backend').choices(['auto', 'cuda', 'cpu', 'reference']).default('auto'),
  option('--threads <n>', 'compute threads (default: all cores)', positiveInteger),
];

/** Opens the backend that the flags ask for, and closes it when `use` has settled. */
export async function withBackend<T>(flags: BackendFlags, use: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = await openBackend(flags.backend, { threads: flags.threads });
  try {
    return await use(backend);
  } finally {
    backend.dispose();
  }
}

/**
 * Makes sure that nothing is overwritten unasked.
 * @throws GradfoldError INVALID_ARGUMENT when `path` exists and `force` is not given; with it, what is there is removed.
 */
export async function claimOutput(path: string, force: boolean): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  if (!force) {
    throw new GradfoldError('INVALID_ARGUMENT', `${path} exists already; give another --out, or --force to replace it`);
  }
  await rm(path, { recursive: true });
}
