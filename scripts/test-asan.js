// npm run test:asan [-- --native | --node]: the C++ tests, and a selection of the Node tests, with every kernel, the engine and
// the addon built with AddressSanitizer and UndefinedBehaviorSanitizer. Any report fails. See docs/testing.md.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { buildNativeTest, nativeTests } from './native-tests.js';
import {
  buildSanitized,
  SANITIZER_FLAGS,
  sanitizedRoot,
  sanitizerRuntime,
  sanitizersMissing,
} from './sanitized-build.js';

/** What reaches most of the addon in a few minutes: golden fixtures on every instruction set, queue, disposal, order. */
const NODE_TESTS = ['test/backend/cpu.test.ts', 'test/order/order.test.ts', 'test/model/parameter-vector.test.ts'];
const ADDON = 'gradfold_cpu.node';

const missing = sanitizersMissing();
if (missing) {
  console.error(
    `test:asan: this compiler has no sanitizers (${missing}); to get them: apt-get install -y g++ libasan8`,
  );
  process.exit(1);
}
const only = process.argv.find((argument) => argument === '--native' || argument === '--node');
const failed = [];
const build = buildSanitized();
if (only !== '--node') await runNativeTests();
if (only !== '--native') {
  runLeakCheck();
  runNodeTests();
}
if (failed.length) {
  console.error(`test:asan: failed: ${failed.join(', ')}`);
  process.exit(1);
}
console.error('test:asan: no errors');

async function runNativeTests() {
  for (const name of nativeTests()) {
    console.error(`test:asan: ${name}`);
    const program = await buildNativeTest(name, { build, flags: [...SANITIZER_FLAGS, '-O1'] });
    const env = { ...environment(), ASAN_OPTIONS: 'detect_leaks=1' };
    const { status } = spawnSync(program, { stdio: 'inherit', env });
    if (status !== 0) failed.push(name);
  }
}

/**
 * Node and V8 leave memory behind themselves when they end; a leak counts when the addon allocated it. Objects that the
 * addon hands to JavaScript are freed when the process ends by itself, so what is left then is nobody's.
 */
function runLeakCheck() {
  console.error('test:asan: leaks of a tour of the addon');
  compileLibrary();
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/addon/tour.mjs', 'dist'], {
    cwd: sanitizedRoot,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: {
      ...preloaded(),
      ASAN_OPTIONS: 'detect_leaks=1:fast_unwind_on_malloc=0:stack_trace_format="#%n %f %S %m"',
      LSAN_OPTIONS: 'exitcode=0',
    },
  });
  const leaks = stderr.split('\n\n').filter((report) => / leak of /.test(report) && allocatedByAddon(report));
  if (status === 0 && stdout === 'toured\n' && leaks.length === 0) return;
  console.error(leaks.length ? leaks.join('\n\n') : stderr);
  failed.push('tour');
}

/** Whether the innermost frame outside of the allocator is the addon's; every frame ends in its module. */
function allocatedByAddon(report) {
  const frames = report.split('\n').filter((line) => line.startsWith('#'));
  return frames.find((frame) => !/lib(asan|stdc\+\+)\.so[.\d]*$/.test(frame))?.endsWith(ADDON);
}

function runNodeTests() {
  console.error(`test:asan: ${NODE_TESTS.join(', ')}`);
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--root', sanitizedRoot, ...NODE_TESTS], {
    cwd: sanitizedRoot,
    stdio: 'inherit',
    env: { ...preloaded(), ASAN_OPTIONS: 'detect_leaks=0' },
  });
  if (status !== 0) failed.push('the Node tests');
}

function compileLibrary() {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noCheck'], {
    cwd: sanitizedRoot,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('lib/ does not compile');
}

function environment() {
  return { ...process.env, OMP_WAIT_POLICY: 'passive', UBSAN_OPTIONS: 'print_stacktrace=1' };
}

/** For Node, whose executable knows nothing of the sanitizer that its addon was built with. */
function preloaded() {
  return { ...environment(), LD_PRELOAD: sanitizerRuntime() };
}
