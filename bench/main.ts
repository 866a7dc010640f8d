// npm run bench -- [suite …] [--large] [--repeats n] [--threads n] [--gemm portable] [--isa avx2] [--json]
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { BackendOptions } from 'gradfold';
import type { BenchOptions, BenchRow } from './types.ts';

const SUITES: Record<string, () => Promise<{ run(options: BenchOptions): Promise<BenchRow[]> }>> = {
  products: () => import('./products.ts'),
  train: () => import('./train-step.ts'),
  order: () => import('./order.ts'),
  weights: () => import('./weights.ts'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    large: { type: 'boolean', default: false },
    repeats: { type: 'string', default: '5' },
    threads: { type: 'string' },
    gemm: { type: 'string' },
    isa: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const names = positionals.length ? positionals : Object.keys(SUITES);
const unknown = names.find((name) => !Object.hasOwn(SUITES, name));
if (unknown !== undefined) {
  console.error(`bench: no suite ${JSON.stringify(unknown)}; there are ${Object.keys(SUITES).join(', ')}`);
  process.exit(2);
}
const options: BenchOptions = {
  repeats: Number(values.repeats),
  large: values.large,
  backend: {
    threads: values.threads === undefined ? undefined : Number(values.threads),
    gemm: values.gemm as BackendOptions['gemm'],
    isa: values.isa as BackendOptions['isa'],
  },
};

const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
if (!values.json)
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${options.repeats} rounds\n`);
const results: Record<string, BenchRow[]> = {};
for (const name of names) {
  results[name] = await (await SUITES[name]()).run(options);
  if (!values.json) for (const row of results[name]) console.log(formatted(row));
}
if (values.json) console.log(JSON.stringify({ machine, options, results }, null, 2));

function formatted({ name, value, unit, ceiling, note }: BenchRow): string {
  const share = ceiling === undefined ? '' : `  ${((100 * value) / ceiling).toFixed(0)}% of ${ceiling.toPrecision(4)}`;
  return `${name.padEnd(52)} ${value.toPrecision(4).padStart(9)} ${unit}${share}${note ? `  (${note})` : ''}`;
}
