import type { BenchOptions, BenchRow } from './types.ts';

export interface Suite {
  /** One line. */
  description: string;
  load(): Promise<{ run(options: BenchOptions): Promise<BenchRow[]> }>;
}

/** Every suite, in the order in which they run. */
export const SUITES: Record<string, Suite> = {
  memory: {
    description: 'copy, add and dot of parameter vectors: the bandwidth that other suites are set against',
    load: () => import('./memory.ts'),
  },
  products: {
    description: 'matrix products by shape, library and precision, and their share of memory bandwidth',
    load: () => import('./products.ts'),
  },
  train: {
    description: 'forward-backward, loss and training step in both precisions; predicted peak memory',
    load: () => import('./train.ts'),
  },
  samples: {
    description: 'per-sample norms, dots, Gram, sketch and gradients, of long rows and of short ones',
    load: () => import('./samples.ts'),
  },
  second: {
    description: 'Hessian-vector product with its JVP, the JVP alone, DataRater meta steps with T = 2',
    load: () => import('./second.ts'),
  },
  annotate: {
    description: 'an LQS annotation in a process of its own: peak memory beside the prediction, and time',
    load: () => import('./annotate.ts'),
  },
  order: {
    description: 'argsort and folding of 1e6 and 1e7 scores, compiled and in TypeScript',
    load: () => import('./order.ts'),
  },
  weights: {
    description: 'softmax weights of 1e7 scores and their gradient',
    load: () => import('./weights.ts'),
  },
  data: {
    description:
      'reading a random plan over shards with a cold page cache, with and without read-ahead; resident memory',
    load: () => import('./data.ts'),
  },
  condition: {
    description: 'conditioning and packing text, beside the tokenizer alone: speed, and memory at its peak',
    load: () => import('./condition.ts'),
  },
  reference: {
    description: 'a toy model on the native engine and on the reference backend: speed, and whether they agree',
    load: () => import('./reference.ts'),
  },
};
