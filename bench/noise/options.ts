import { parseArgs } from 'node:util';
import { UsageError } from '../options.ts';

/** What every experiment is told. */
export interface NoiseOptions {
  seeds: number[];
  share: number;
  /** Which rows are scored: 'evaluation' has boilerplate and languages that the model has not been trained on. */
  rows: 'proxy' | 'evaluation';
  /** Pool sizes and steps of the training comparison. */
  pools: number[];
  steps: number;
  threads: number;
  cacheDir: string;
  corpus?: string;
  onProgress(message: string): void;
}

export interface Request {
  experiment: string;
  options: Omit<NoiseOptions, 'onProgress'>;
  json: boolean;
}

export const OPTIONS_HELP = `options:
  --seeds a,b,…     everything is repeated with each of them (default: 0)
  --share x         share of corrupted pieces (default: 0.3)
  --rows r          find, sensitivity: score the rows proxy (default) or evaluation
  --pools a,b,…     train: rows of the pools (default: 4800,19200)
  --steps n         train: steps of 32 rows of 64 tokens (default: 300)
  --threads n       compute threads (default: 1)
  --cache-dir path  where packages and corpora are kept (default: .cache)
  --corpus path     a corpus table other than the demo corpus
  --json            settings and results as JSON`;

/** @throws UsageError */
export function parseRequest(args: string[], experiments: readonly string[]): Request {
  const { values, positionals } = parsed(args);
  const experiment = positionals[0] ?? '';
  if (positionals.length !== 1 || !experiments.includes(experiment)) {
    throw new UsageError(`expected one of ${experiments.join(', ')}, got ${JSON.stringify(positionals.join(' '))}`);
  }
  const rows = values.rows;
  if (rows !== 'proxy' && rows !== 'evaluation') {
    throw new UsageError(`--rows: expected proxy or evaluation, got ${JSON.stringify(rows)}`);
  }
  return {
    experiment,
    options: {
      seeds: values.seeds.split(',').map((seed) => number('seeds', seed, /^\d+$/)),
      share: number('share', values.share, /^0?\.\d+$/),
      rows,
      pools: values.pools.split(',').map((pool) => number('pools', pool, /^[1-9]\d*$/)),
      steps: number('steps', values.steps, /^[1-9]\d*$/),
      threads: number('threads', values.threads, /^[1-9]\d*$/),
      cacheDir: values['cache-dir'],
      corpus: values.corpus,
    },
    json: values.json,
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seeds: { type: 'string', default: '0' },
        share: { type: 'string', default: '0.3' },
        rows: { type: 'string', default: 'proxy' },
        pools: { type: 'string', default: '4800,19200' },
        steps: { type: 'string', default: '300' },
        threads: { type: 'string', default: '1' },
        'cache-dir': { type: 'string', default: '.cache' },
        corpus: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function number(name: string, value: string, pattern: RegExp): number {
  if (pattern.test(value)) return Number(value);
  throw new UsageError(`--${name}: expected a number like ${pattern.source}, got ${JSON.stringify(value)}`);
}
