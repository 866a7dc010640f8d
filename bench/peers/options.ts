import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { UsageError } from '../options.ts';
import { WORKLOADS } from '../workloads.ts';

const DEVICES = ['cpu', 'cuda'] as const;
const GEMMS = ['onednn', 'portable', 'bf16x6', 'bf16x3'] as const;

export interface PeersOptions {
  workload: keyof typeof WORKLOADS;
  /** Rows of the table; undefined: all of them. */
  rows?: string[];
  rounds: number;
  threads: number;
  device: (typeof DEVICES)[number];
  /** What multiplies our float32 matrices; undefined: what is taken by default. */
  gemm?: (typeof GEMMS)[number];
  /** Our models compute activations again instead of keeping them. */
  recompute: boolean;
  /** The Python that has PyTorch. */
  python: string;
  /** One process at a time. */
  apart: boolean;
  quick: boolean;
  json: boolean;
  help: boolean;
}

export const PEERS_HELP = `npm run bench:peers -- [options]

The same work by gradfold and by PyTorch or NumPy, in processes of their own that take turns.

options:
  --workload name   ${Object.keys(WORKLOADS).join(' or ')} (default: tiny)
  --rows a,b,…      rows of the table, such as P1,P3 (default: all)
  --rounds n        repetitions, of which the median is shown (default: 5)
  --threads n       of both sides (default: all cores)
  --device name     ${DEVICES.join(' or ')} (default: cpu)
  --gemm name       of our float32 jobs on the processor: ${GEMMS.join(', ')} (default: the best)
  --recompute       our models compute activations again instead of keeping them
  --python path     a Python with PyTorch and NumPy (default: $PYTHON, else python3)
  --apart           one process at a time, each repetition in its own: for jobs that do not fit beside each other
  --quick           does it run? its figures say nothing
  --json            machine, options and rows as JSON
  --help            this text`;

/** @throws UsageError */
export function parsePeersOptions(args: string[]): PeersOptions {
  const values = parsed(args);
  return {
    ...values,
    workload: oneOf('workload', values.workload, Object.keys(WORKLOADS) as (keyof typeof WORKLOADS)[]),
    device: oneOf('device', values.device, DEVICES),
    gemm: values.gemm === undefined ? undefined : oneOf('gemm', values.gemm, GEMMS),
    rows: values.rows?.split(','),
    rounds: whole('rounds', values.rounds),
    threads: whole('threads', values.threads),
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        workload: { type: 'string', default: 'tiny' },
        rows: { type: 'string' },
        rounds: { type: 'string', default: '5' },
        threads: { type: 'string', default: String(availableParallelism()) },
        device: { type: 'string', default: 'cpu' },
        gemm: { type: 'string' },
        recompute: { type: 'boolean', default: false },
        python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
        apart: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function oneOf<T extends string>(name: string, value: string, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  throw new UsageError(`--${name}: expected ${known.join(' or ')}, got ${JSON.stringify(value)}`);
}

function whole(name: string, value: string): number {
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  throw new UsageError(`--${name}: expected a whole number from 1 on, got ${JSON.stringify(value)}`);
}
