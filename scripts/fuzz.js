// npm run fuzz [-- --seconds 60] [--seed n] [--calls n] [--level public|addon|both] [--any-error]: random calls, most of them
// wrong, through the Node boundary. A crash, a hang, a changed result or an error of the wrong kind fails; the last not with
// --any-error. See docs/testing.md.
/* global clearTimeout, setTimeout */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    calls: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
    'any-error': { type: 'boolean', default: false },
    level: { type: 'string', default: 'both' },
    library: { type: 'string', default: fileURLToPath(new URL('../dist', import.meta.url)) },
  },
});

const SHOWN_CALLS = 12;
/** No call takes nearly as long. */
const HANGS_AFTER_MS = 60_000;

const script = fileURLToPath(new URL('../test/addon/fuzz/child.mjs', import.meta.url));
const child = spawn(
  process.execPath,
  ['--max-old-space-size=1024', script, values.library, values.level, values.seed, values.calls, values.seconds],
  { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] },
);
const calls = [];
let hung = false;
let watchdog = setTimeout(stop, HANGS_AFTER_MS);
function stop() {
  hung = true;
  child.kill('SIGKILL');
}
createInterface({ input: child.stdio[3] }).on('line', (line) => {
  calls.push(line);
  if (calls.length > SHOWN_CALLS) calls.shift();
  clearTimeout(watchdog);
  watchdog = setTimeout(stop, HANGS_AFTER_MS);
});
let made = '';
child.stdout.on('data', (chunk) => (made += chunk));
const [status, signal] = await once(child, 'close');
clearTimeout(watchdog);
if (status === 0) {
  const { calls: count, unexpected } = JSON.parse(made);
  for (const { count: times, index, call, text } of unexpected) {
    if (!values['any-error']) console.error(`fuzz: call ${index}, ${times} times: ${call} ended in ${text}`);
  }
  console.log(
    `fuzz: ${count} calls with seed ${values.seed}: no crash, ${unexpected.length} kinds of unexpected error`,
  );
  process.exitCode = unexpected.length && !values['any-error'] ? 1 : 0;
} else {
  const last = Number(calls.at(-1)?.split(' ')[0] ?? 0);
  const end = signal ? `killed by ${signal}` : `failed with status ${status}`;
  console.error(`fuzz: ${hung ? 'hung' : end}; the last calls:`);
  for (const call of calls) console.error(`  ${call}`);
  console.error(`fuzz: again: npm run fuzz -- --seed ${values.seed} --level ${values.level} --calls ${last + 1}`);
  process.exitCode = 1;
}
