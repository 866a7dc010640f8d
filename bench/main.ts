// npm run bench -- --help
import { cpus } from 'node:os';
import { GradfoldError } from 'gradfold';
import { HELP, parseRequest, UsageError, type Request } from './options.ts';
import { SUITES } from './suites.ts';
import type { BenchRow } from './types.ts';

function request(): Request {
  try {
    return parseRequest(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const { suites, options, json, help } = request();
if (help) {
  console.log(HELP);
  process.exit(0);
}
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
if (!json) {
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; medians of ${options.repeats} rounds\n`);
}
const results: Record<string, BenchRow[]> = {};
try {
  for (const name of suites) {
    const suite = await SUITES[name].load();
    results[name] = await suite.run(options);
    if (!json) for (const row of results[name]) console.log(formatted(row));
  }
} catch (error) {
  if (!(error instanceof GradfoldError)) throw error;
  console.error(`bench: ${error.message}`); // what was asked for is not available here
  process.exit(1);
}
if (json) console.log(JSON.stringify({ machine, options, results }, null, 2));

function formatted({ name, value, unit, ceiling, floor, note }: BenchRow): string {
  const share = ceiling === undefined ? '' : `  ${((100 * value) / ceiling).toFixed(0)}% of ${figure(ceiling)}`;
  const least = floor === undefined ? '' : `  floor ${figure(floor)}`;
  return `${name.padEnd(68)} ${figure(value).padStart(7)} ${unit}${share}${least}${note ? `  (${note})` : ''}`;
}

/** Four digits, without exponents. */
function figure(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(4);
}
