import { parseArgs } from 'node:util';
import { GEMMS } from './backends.ts';
import { SUITES } from './suites.ts';
import type { BenchOptions } from './types.ts';

/** What was asked for on the command line. */
export interface Request {
  suites: string[];
  options: BenchOptions;
  json: boolean;
  help: boolean;
}

/** A command line that means nothing, with what it should have been. */
export class UsageError extends Error {}

const CHOICES = {
  device: ['cpu', 'cuda'],
  precision: ['f32', 'bf16'],
  gemm: GEMMS,
  isa: ['avx512', 'avx2', 'baseline'],
} as const;

export const HELP = `npm run bench -- [suite …] [options]

suites, all of them by default:
${Object.entries(SUITES)
  .map(([name, { description }]) => `  ${name.padEnd(18)} ${description}`)
  .join('\n')}

options:
  --precision p      f32 or bf16; without it products and train show both, the others f32
  --large            also the 160M-parameter model, and 5e7 and 1e8 scores; minutes
  --huge             also the order of 1e9 scores, once: 17 GB of memory, minutes
  --device d         cpu or cuda: where order sorts (default: cpu)
  --repeats n        rounds that medians are taken over (default: 5)
  --threads n        compute threads of the engine; order and weights always use all cores
  --gemm g           ${CHOICES.gemm.join(', ')}: the matrix product
  --recompute        the engine computes activations again instead of keeping them
  --isa i            ${CHOICES.isa.join(', ')}: the engine's instruction set
  --bytes n          text of condition (default: 64e6, with --large 1e9)
  --json             machine, options and rows as JSON
  --help             this text`;

/** @throws UsageError */
export function parseRequest(args: string[]): Request {
  const { values, positionals } = parsed(args);
  const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) {
    throw new UsageError(`no suite ${JSON.stringify(unknown)}; there are ${Object.keys(SUITES).join(', ')}`);
  }
  return {
    suites: positionals.length ? positionals : Object.keys(SUITES),
    options: {
      repeats: count('repeats', values.repeats)!,
      large: values.large,
      huge: values.huge,
      bytes: count('bytes', values.bytes),
      device: choice('device', values.device) ?? 'cpu',
      precision: choice('precision', values.precision),
      backend: {
        threads: count('threads', values.threads),
        recompute: values.recompute,
        gemm: choice('gemm', values.gemm),
        isa: choice('isa', values.isa),
      },
    },
    json: values.json,
    help: values.help,
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        precision: { type: 'string' },
        large: { type: 'boolean', default: false },
        huge: { type: 'boolean', default: false },
        bytes: { type: 'string' },
        device: { type: 'string' },
        repeats: { type: 'string', default: '5' },
        threads: { type: 'string' },
        recompute: { type: 'boolean', default: false },
        gemm: { type: 'string' },
        isa: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function count(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d/.test(value) ? Number(value) : NaN;
  if (Number.isInteger(number) && number >= 1) return number;
  throw new UsageError(`--${name}: expected an integer >= 1, got ${JSON.stringify(value)}`);
}

function choice<K extends keyof typeof CHOICES>(
  name: K,
  value: string | undefined,
): (typeof CHOICES)[K][number] | undefined {
  if (value === undefined) return undefined;
  const known = CHOICES[name].find((one) => one === value);
  if (known) return known;
  throw new UsageError(`--${name}: expected ${CHOICES[name].join(', ')}, got ${JSON.stringify(value)}`);
}
