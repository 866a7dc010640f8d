#!/usr/bin/env node
import { packageVersion } from '../version.ts';
import { main } from './program.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => {
  interrupt.abort(new Error('interrupted'));
  process.once('SIGINT', () => process.exit(1)); // asked twice: at once
});
process.once('SIGTERM', () => interrupt.abort(new Error('terminated')));
// `gradfold … | head` closes the pipe early: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { stdout, stderr } = process;
process.exitCode = await main(
  process.argv.slice(2),
  { stdout, stderr, signal: interrupt.signal },
  await packageVersion(),
);
