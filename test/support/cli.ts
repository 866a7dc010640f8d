import { Writable } from 'node:stream';
import { main } from '../../lib/cli/program.ts';

export interface CliResult {
  status: number;
  stdout: string;
  stderr: string;
}

class Sink extends Writable {
  text = '';
  readonly #onText: ((text: string) => void) | undefined;

  constructor(onText?: (text: string) => void) {
    super();
    this.#onText = onText;
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    this.#onText?.(this.text);
    done();
  }
}

/** Runs the command line in this process. `onStderr` sees everything said so far. */
export async function gradfold(
  argv: string[],
  options: { signal?: AbortSignal; onStderr?: (text: string) => void } = {},
): Promise<CliResult> {
  const stdout = new Sink();
  const stderr = new Sink(options.onStderr);
  const status = await main(argv, { stdout, stderr, signal: options.signal });
  return { status, stdout: stdout.text, stderr: stderr.text };
}
