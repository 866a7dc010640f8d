/** Where a command writes, and what tells it to stop. */
export interface CliIo {
  stdout: NodeJS.WritableStream;
  /** Progress and messages; a bar is drawn when it is a terminal. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  signal?: AbortSignal;
}

/** What a command has to say: `--json` prints one, otherwise the other. */
export interface CommandOutput {
  json: unknown;
  text: string;
}

/** Bad usage: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
