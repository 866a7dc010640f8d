// npm run bench:peers -- [--workload tiny|m160] [--rows P1,P3] [--rounds n] [--threads n] [--device cpu|cuda] [--python path] [--quick] [--json]
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { availableBackends } from 'gradfold';
import { measureCeilings } from './peers/ceilings.ts';
import { deviceComparisons, deviceScoreComparisons, modelComparisons, scoreComparisons } from './peers/comparisons.ts';
import { Inputs } from './peers/inputs.ts';
import { pythonVersions } from './peers/python.ts';
import { measurePair, type Pair, type Sides } from './peers/measure.ts';
import { ceilingLines, disagreements, HEADINGS, tableLine } from './peers/table.ts';
import { resized, WORKLOADS } from './workloads.ts';

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: 'tiny' },
    rows: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

function fail(message: string): never {
  console.error(`bench:peers: ${message}`);
  process.exit(1);
}

if (!Object.hasOwn(WORKLOADS, values.workload)) {
  fail(`no workload ${JSON.stringify(values.workload)}; there are ${Object.keys(WORKLOADS).join(', ')}`);
}
const { device } = values;
if (device !== 'cpu' && device !== 'cuda') fail(`no device ${JSON.stringify(device)}; there are cpu, cuda`);
const missing = availableBackends().find(({ name, available }) => name === device && !available);
if (missing) fail(`device ${device}: ${missing.reason}`);
const python = pythonVersions(values.python, 'bench:peers');
if ('problem' in python) fail(python.problem);

const chosen = WORKLOADS[values.workload as keyof typeof WORKLOADS];
// Quick is for seeing that everything runs: its figures say nothing.
const sized = device === 'cuda' ? resized(chosen, 32, 1024) : chosen;
const workload = values.quick ? resized(sized, 2, 32) : sized;
const sides: Sides = {
  ours: {
    name: 'gradfold',
    command: process.execPath,
    arguments: [fileURLToPath(new URL('./peers/ours.js', import.meta.url))],
  },
  peers: {
    name: 'PyTorch',
    command: values.python,
    arguments: [fileURLToPath(new URL('../../bench/peers/torch/worker.py', import.meta.url))],
  },
  device,
  threads: Number(values.threads),
  rounds: values.quick ? 1 : Number(values.rounds),
};
const rows = values.rows?.split(',');
const onProcessor = () => [
  ...modelComparisons(workload),
  ...scoreComparisons(values.quick ? [1e5] : [1e6, 1e7, 5e7], values.quick ? 1e5 : 1e7),
];
const onDevice = () => [...deviceComparisons(workload), ...deviceScoreComparisons(values.quick ? 1e5 : 1e9)];
const comparisons = (device === 'cuda' ? onDevice() : onProcessor()).filter(
  ({ row }) => rows === undefined || rows.includes(row),
);

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, ${python.versions}`;
const say = (line: string) => {
  if (!values.json) console.log(line);
};
say(`${machine}; ${sides.threads} threads, medians of ${sides.rounds} rounds\n`);
say(HEADINGS);
const inputs = new Inputs();
const pairs: Pair[] = [];
try {
  for (const comparison of comparisons) {
    for (const peer of comparison.peers) {
      if (values.quick && peer.slowStart) continue;
      const pair = await measurePair(sides, comparison, peer, inputs);
      pairs.push(pair);
      say(tableLine(pair));
    }
  }
  const ceilings = await measureCeilings(sides, workload);
  say(`\n${ceilingLines(workload.name, ceilings).join('\n')}`);
  if (values.json) console.log(JSON.stringify({ machine, options: values, pairs, ceilings }, null, 2));
} finally {
  inputs.remove();
}
const apart = disagreements(pairs);
for (const { what, peer, difference } of apart) {
  console.error(`bench:peers: ${what} beside ${peer.name}: the results differ by ${difference?.toExponential(1)}`);
}
if (apart.length) process.exit(1);
