// From a checkout on a machine with an NVIDIA GPU to what is known of the CUDA backend there: builds everything, runs the C++
// tests of the kernels on the device, then the whole suite, whose backend tests then run on 'cuda' as well, then the
// benchmarks beside PyTorch, and prints pass or fail of each. Options: --skip-suite, --skip-benchmarks, --python PATH.
import { spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cudaBuild, probeNvcc } from './cuda.js';
import { buildCudaTest, cudaTests } from './native-tests.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    'skip-suite': { type: 'boolean', default: false },
    'skip-benchmarks': { type: 'boolean', default: false },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
  },
});

const results = [];

/** Runs a command with its output shown; whether it succeeded. */
function run(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

async function step(name, work) {
  console.log(`\n==== ${name}`);
  const started = Date.now();
  let outcome;
  try {
    outcome = (await work()) ?? 'pass';
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    outcome = 'FAIL';
  }
  results.push({ name, outcome, seconds: Math.round((Date.now() - started) / 1000) });
  return outcome !== 'FAIL';
}

function must(ok, what) {
  if (!ok) throw new Error(`${what} failed; its message stands above`);
}

function finish() {
  console.log('\n==== verify:cuda');
  for (const { name, outcome, seconds } of results) console.log(`${outcome.padEnd(8)} ${name} (${seconds} s)`);
  process.exit(results.some(({ outcome }) => outcome === 'FAIL') ? 1 : 0);
}

const built = await step('build', () => {
  must(run('npm', ['run', '--silent', 'build']), 'npm run build');
  must(run('npm', ['run', '--silent', 'build:cuda']), 'npm run build:cuda');
});
if (!built) finish();

const there = await step('the device', async () => {
  const { availableBackends } = await import('../dist/index.js');
  const cuda = availableBackends().find(({ name }) => name === 'cuda');
  must(run(process.execPath, ['dist/cli/main.js', 'doctor']), 'gradfold doctor');
  if (!cuda.available) throw new Error(`skipped: ${cuda.reason}`);
});
if (!there) finish();

const toolkit = dirname(
  dirname(
    spawnSync('readlink', ['-f', probeNvcc().compiler], { encoding: 'utf8' }).stdout.trim() ||
      '/usr/local/cuda/bin/nvcc',
  ),
);
for (const name of cudaTests({ emulated: false })) {
  await step(`kernels: ${name}`, async () => {
    const program = await buildCudaTest(name, { build: cudaBuild, toolkit });
    must(run(program, []), name);
  });
}

if (!values['skip-suite']) {
  await step('the test suite', () => must(run('npx', ['vitest', 'run']), 'vitest'));
}

if (!values['skip-benchmarks']) {
  await step('benchmark G4: the order of 1e9 scores', () => {
    if (totalmem() < 16e9) return 'skipped: 1e9 scores, their order and this process take 16 GB of memory';
    must(run('npx', ['tsc', '-p', 'tsconfig.bench.json']), 'tsc');
    must(run(process.execPath, [join('build', 'bench', 'main.js'), 'order', '--device', 'cuda', '--huge']), 'bench');
  });
  await step('benchmarks G1 to G4 beside PyTorch', () => {
    if (spawnSync(values.python, ['-c', 'import torch, numpy']).status !== 0)
      return `skipped: ${values.python} has no PyTorch with NumPy; name one that has with --python`;
    must(run('npx', ['tsc', '-p', 'tsconfig.bench.json']), 'tsc');
    const options = ['--device', 'cuda', '--workload', 'm160', '--python', values.python];
    must(run(process.execPath, [join('build', 'bench', 'peers.js'), ...options]), 'bench:peers');
  });
}
finish();
