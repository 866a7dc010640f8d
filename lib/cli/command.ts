import type { Stats } from 'node:fs';
import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { boundsOf, isWithin, type NumberRange } from '../check.ts';
import { openBackend } from '../backend/open.ts';
import type { Backend, BackendName } from '../backend/types.ts';
import { invalid } from '../check.ts';
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
  precision: 'f32' | 'bf16';
  recompute?: boolean;
}

const backends = ['auto', 'cuda', 'cpu', 'reference'];
const precisions = ['f32', 'bf16'];

export const backendOptions: Option[] = [
  new Option('--backend <name>', 'compute backend').choices(backends).default('auto'),
  option('--threads <n>', 'compute threads (default: all cores)', positiveInteger),
  new Option('--precision <name>', 'of matrix products and stored activations').choices(precisions).default('f32'),
];

/** The same for commands that take gradients. */
export const gradientOptions: Option[] = [
  ...backendOptions,
  new Option('--recompute', 'compute activations again instead of keeping them: less memory, more time').default(false),
];

/** The same in the place of what a recipe says. */
export const recipeBackendOptions: Option[] = [
  new Option('--backend <name>', 'instead of the recipe’s').choices(backends),
  option('--threads <n>', 'instead of the recipe’s', positiveInteger),
  new Option('--precision <name>', 'instead of the recipe’s').choices(precisions),
  new Option('--recompute', 'compute activations again instead of keeping them, whatever the recipe says'),
];

/** Opens the backend that the flags ask for, and closes it when `use` has settled. */
export async function withBackend<T>(flags: BackendFlags, use: (backend: Backend) => Promise<T>): Promise<T> {
  const { backend: name, threads, precision, recompute } = flags;
  const backend = await openBackend(name, { threads, precision, recompute });
  try {
    return await use(backend);
  } finally {
    backend.dispose();
  }
}

/**
 * Makes sure that nothing is overwritten unasked.
 * @throws GradfoldError INVALID_ARGUMENT when the file `path` exists and `force` is not given; with it, the file is removed.
 *   A folder of that name never is.
 */
export async function claimOutput(path: string, force: boolean): Promise<void> {
  const there = await statOf(path);
  if (!there) return;
  if (there.isDirectory()) throw invalid('--out', 'a file', path, { fix: `${path} is a folder` });
  if (!force) throw exists(path);
  await rm(path);
}

/**
 * The same of a folder that a command fills.
 * @param folder.contents names of what the command writes there: nothing else is ever removed
 * @param folder.finished of these, what is there once all is done; a folder without it may be gone on with. Default: the
 *   folder has to be new, and has to hold nothing else to be replaced
 */
export async function claimFolder(
  path: string,
  { contents, finished }: { contents: RegExp; finished?: string },
  force: boolean,
): Promise<void> {
  const there = await statOf(finished === undefined ? path : join(path, finished));
  if (!force) {
    if (there) throw exists(finished === undefined ? path : join(path, finished));
    return;
  }
  if (!(await statOf(path))?.isDirectory()) return claimOutput(path, force);
  const names = await readdir(path);
  const others = names.filter((name) => !contents.test(name));
  if (finished === undefined && others.length > 0) {
    throw invalid('--out', 'a folder with nothing in it but what this command writes', others[0], {
      fix: `move it away, or give another --out than ${path}`,
    });
  }
  for (const name of names.filter((name) => contents.test(name))) await rm(join(path, name), { recursive: true });
  if (finished === undefined) await rmdir(path);
}

const exists = (path: string): GradfoldError =>
  new GradfoldError('INVALID_ARGUMENT', `${path} exists already; give another --out, or --force to replace it`);

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}
