// npm run bench:peers -- --help
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { availableBackends } from 'gradfold';
import { UsageError } from './options.ts';
import { measureCeilings } from './peers/ceilings.ts';
import { deviceComparisons, deviceScoreComparisons, modelComparisons, scoreComparisons } from './peers/comparisons.ts';
import { Inputs } from './peers/inputs.ts';
import { parsePeersOptions, PEERS_HELP, type PeersOptions } from './peers/options.ts';
import { WorkerEnded } from './peers/process.ts';
import { pythonVersions } from './peers/python.ts';
import { measurePair, type Pair, type Sides } from './peers/measure.ts';
import { ceilingLines, disagreements, HEADINGS, tableLine } from './peers/table.ts';
import { resized, WORKLOADS } from './workloads.ts';

function requested(): PeersOptions {
  try {
    return parsePeersOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench:peers: ${error.message}\n\n${PEERS_HELP}`);
    process.exit(2);
  }
}

function fail(message: string): never {
  console.error(`bench:peers: ${message}`);
  process.exit(1);
}

const options = requested();
if (options.help) {
  console.log(PEERS_HELP);
  process.exit(0);
}
const { device, rows } = options;
const missing = availableBackends().find(({ name, available }) => name === device && !available);
if (missing) fail(`device ${device}: ${missing.reason}`);
const python = pythonVersions(options.python, 'bench:peers');
if ('problem' in python) fail(python.problem);

const chosen = WORKLOADS[options.workload];
// Quick is for seeing that everything runs: its figures say nothing.
const sized = device === 'cuda' ? resized(chosen, 32, 1024) : chosen;
const workload = options.quick ? resized(sized, 2, 32) : sized;
const sides: Sides = {
  ours: {
    name: 'gradfold',
    command: process.execPath,
    arguments: [fileURLToPath(new URL('./peers/ours.js', import.meta.url))],
  },
  peers: {
    name: 'PyTorch',
    command: options.python,
    arguments: [fileURLToPath(new URL('../../bench/peers/torch/worker.py', import.meta.url))],
  },
  device,
  threads: options.threads,
  gemm: options.gemm,
  recompute: options.recompute,
  rounds: options.quick ? 1 : options.rounds,
  apart: options.apart,
};
const onProcessor = () => [
  ...modelComparisons(workload),
  ...scoreComparisons(options.quick ? [1e5] : [1e6, 1e7, 5e7], options.quick ? 1e5 : 1e7),
];
const onDevice = () => [...deviceComparisons(workload), ...deviceScoreComparisons(options.quick ? 1e5 : 1e9)];
const comparisons = (device === 'cuda' ? onDevice() : onProcessor()).filter(
  ({ row }) => rows === undefined || rows.includes(row),
);

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, ${python.versions}`;
const say = (line: string) => {
  if (!options.json) console.log(line);
};
const settings = [
  `${sides.threads} threads, medians of ${sides.rounds} rounds`,
  options.gemm && `our float32 products: ${options.gemm}`,
  options.recompute && 'our activations computed again',
].filter(Boolean);
say(`${machine}; ${settings.join(', ')}\n`);
say(HEADINGS);
const inputs = new Inputs();
const pairs: Pair[] = [];
try {
  for (const comparison of comparisons) {
    for (const peer of comparison.peers) {
      if (options.quick && peer.slowStart) continue;
      const pair = await measurePair(sides, comparison, peer, inputs);
      pairs.push(pair);
      say(tableLine(pair));
    }
  }
  const ceilings = await measureCeilings(sides, workload).catch(noCeilings);
  if (ceilings) say(`\n${ceilingLines(workload.name, ceilings).join('\n')}`);
  if (options.json) console.log(JSON.stringify({ machine, options, pairs, ceilings }, null, 2));
} finally {
  inputs.remove();
}
const differing = disagreements(pairs);
for (const { what, peer, difference } of differing) {
  console.error(`bench:peers: ${what} beside ${peer.name}: the results differ by ${difference?.toExponential(1)}`);
}
if (differing.length || pairs.some(({ ended }) => ended)) process.exitCode = 1;

/** The rows stand without them. */
function noCeilings(error: unknown): void {
  if (!(error instanceof WorkerEnded)) throw error;
  console.error(`bench:peers: ceilings: ${error.message}`);
  process.exitCode = 1;
}
