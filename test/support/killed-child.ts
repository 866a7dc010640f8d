import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

/**
 * Runs a program of Node that prints a line as work is done and "done RESULT" at its end, and sends it SIGKILL `delay` ms after
 * `ticks` lines. Resolves to the result; undefined when it was killed.
 */
export async function runChild(
  program: string[],
  kill?: { ticks: number; delay: number },
): Promise<string | undefined> {
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise<string | null>((resolve) => child.once('close', (_, signal) => resolve(signal)));
  let ticks = 0;
  let result: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('done ')) result = line.slice('done '.length);
    else if (++ticks === kill?.ticks) setTimeout(() => child.kill('SIGKILL'), kill.delay);
  }
  expect(await exit).toBe(kill ? 'SIGKILL' : null);
  return result;
}
