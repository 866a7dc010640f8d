import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GradfoldError } from '../../errors.ts';

export interface CommandOptions {
  cwd: string;
  /** What the command is run for, as an error calls it: 'the package dict-foldoc'. */
  purpose: string;
  signal?: AbortSignal;
}

const LARGEST_OUTPUT = 256 * 2 ** 20;

/**
 * Runs a program without a shell and returns what it printed. Errors: UNAVAILABLE when the program is not there; IO
 * when it fails, with its command line and what it wrote to stderr; the signal's reason when aborted.
 */
export async function runCommand(program: string, args: string[], options: CommandOptions): Promise<string> {
  const { cwd, purpose, signal } = options;
  signal?.throwIfAborted();
  try {
    return (await promisify(execFile)(program, args, { cwd, signal, maxBuffer: LARGEST_OUTPUT })).stdout;
  } catch (error) {
    signal?.throwIfAborted();
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new GradfoldError('UNAVAILABLE', `${purpose}: the program '${program}' is not on this machine`, {
        cause: error,
      });
    throw new GradfoldError('IO', `${purpose}: \`${[program, ...args].join(' ')}\` failed: ${(stderr ?? '').trim()}`, {
      cause: error,
    });
  }
}
