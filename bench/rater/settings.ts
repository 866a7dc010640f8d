import { parseArgs } from 'node:util';
import { ROW_FEATURES, type RowFeatureName } from 'gradfold';
import { UsageError } from '../options.ts';

/** What the experiments are told. */
export interface RaterBenchOptions {
  seeds: number[];
  share: number;
  /** Outer rows: clean ones, or as many corrupted as in training. */
  outer: 'clean' | 'mixture';
  /** Share of the training rows that is rated and kept from starts; inner: all are rated and trained on alike. */
  rated: number | 'inner';
  steps: number;
  /** Inner models, how many of them a meta-step takes, and their inner steps from start to start. */
  models: number;
  perStep: number;
  life: number;
  /** Optimizer steps after which the starts of inner models were kept. */
  ages: number[];
  window: number;
  batch: number;
  outerBatch: number;
  innerLr: number;
  lr: number;
  finalLr: number;
  weightDecay: number;
  temperature: number;
  hidden: number;
  layers: number;
  /** The rater begins with the backbone of the oldest start, whose shape it has, instead of fresh parameters. */
  fromStart: boolean;
  causal: boolean;
  /** Features of a row with weights of their own in its score; their reference is the oldest start. */
  features: RowFeatureName[];
  shared: boolean;
  firstOrder: boolean;
  evaluateEvery: number;
  /** train: share of the rows that is left out, steps of training and repetitions. */
  discard: number;
  trainingSteps: number;
  threads: number;
  cacheDir: string;
  corpus?: string;
  onProgress(message: string): void;
}

const WHOLE = /^[1-9]\d*$/;
const DECIMAL = /^\d*\.?\d+(e-?\d+)?$/;

/** Flags with a number, what it is for, and its default. */
const NUMBERS = {
  steps: [WHOLE, 'meta-steps', '350'],
  models: [WHOLE, 'inner models', '4'],
  'per-step': [WHOLE, 'inner models that a meta-step takes a gradient of', '1'],
  life: [WHOLE, 'inner steps from the start of an inner model to its next one', '60'],
  window: [WHOLE, 'inner steps that are differentiated through', '2'],
  batch: [WHOLE, 'rows of an inner step', '32'],
  'outer-batch': [WHOLE, 'rows of the outer loss', '64'],
  'inner-lr': [DECIMAL, 'learning rate of inner steps', '1e-3'],
  lr: [DECIMAL, 'peak learning rate of the rater', '3e-3'],
  'final-lr': [DECIMAL, 'last learning rate as a fraction of the peak', '0.1'],
  'weight-decay': [DECIMAL, "weight decay of the rater's optimizer", '0'],
  temperature: [DECIMAL, 'of the weights', '1'],
  hidden: [WHOLE, 'width of the rater', '64'],
  layers: [WHOLE, 'layers of the rater', '2'],
  'evaluate-every': [WHOLE, 'meta-steps between two measurements', '50'],
  share: [DECIMAL, 'share of corrupted pieces', '0.3'],
  discard: [DECIMAL, 'train: share of the rows that is left out', '0.3'],
  'training-steps': [WHOLE, 'train: steps of 32 rows of 64 tokens', '300'],
  threads: [WHOLE, 'compute threads', '1'],
} as const satisfies Record<string, readonly [RegExp, string, string]>;

const FLAGS_HELP = Object.entries(NUMBERS)
  .map(([name, [, what, initial]]) => `  --${`${name} n`.padEnd(18)}${what} (default: ${initial})`)
  .join('\n');

export const OPTIONS_HELP = `options:
  --seeds a,b,…       everything is repeated with each of them (default: 0)
  --ages a,b,…        steps after which starts of inner models were kept (default: 200,400,600)
  --outer o           clean (default) or mixture
  --rated x           share of the training rows that is rated and kept from starts, or inner (default): all are both
${FLAGS_HELP}
  --from-start        the rater begins with the backbone of the oldest start, and has its shape
  --causal            a token of the rater sees those before it only
  --features a,b      numbers of a row in its score: ${ROW_FEATURES.join(', ')} (default: none)
  --shared            one Adam for all inner models
  --first-order       leave the Hessian products out
  --cache-dir path    where packages and corpora are kept (default: .cache)
  --corpus path       a corpus table other than the demo corpus
  --json              settings and results as JSON`;

export interface Request {
  experiment: string;
  options: Omit<RaterBenchOptions, 'onProgress'>;
  json: boolean;
}

/** @throws UsageError */
export function parseRequest(args: string[], experiments: readonly string[]): Request {
  const { values, positionals } = parsed(args);
  const experiment = positionals[0] ?? '';
  if (positionals.length !== 1 || !experiments.includes(experiment)) {
    throw new UsageError(`expected one of ${experiments.join(', ')}, got ${JSON.stringify(positionals.join(' '))}`);
  }
  const { outer } = values;
  if (outer !== 'clean' && outer !== 'mixture') {
    throw new UsageError(`--outer: expected clean or mixture, got ${JSON.stringify(outer)}`);
  }
  const number = (name: keyof typeof NUMBERS) => numeric(name, values[name] as string, NUMBERS[name][0]);
  const list = (name: 'seeds' | 'ages') => values[name].split(',').map((text) => numeric(name, text, /^\d+$/));
  return {
    experiment,
    options: {
      seeds: list('seeds'),
      ages: list('ages'),
      outer,
      rated: values.rated === 'inner' ? values.rated : numeric('rated', values.rated, DECIMAL),
      share: number('share'),
      steps: number('steps'),
      models: number('models'),
      perStep: number('per-step'),
      life: number('life'),
      window: number('window'),
      batch: number('batch'),
      outerBatch: number('outer-batch'),
      innerLr: number('inner-lr'),
      lr: number('lr'),
      finalLr: number('final-lr'),
      weightDecay: number('weight-decay'),
      temperature: number('temperature'),
      hidden: number('hidden'),
      layers: number('layers'),
      evaluateEvery: number('evaluate-every'),
      discard: number('discard'),
      trainingSteps: number('training-steps'),
      threads: number('threads'),
      fromStart: values['from-start'],
      causal: values.causal,
      features: features(values.features),
      shared: values.shared,
      firstOrder: values['first-order'],
      cacheDir: values['cache-dir'],
      corpus: values.corpus,
    },
    json: values.json,
  };
}

function parsed(args: string[]) {
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [, , initial]]) => [name, { type: 'string' as const, default: initial }]),
  ) as Record<keyof typeof NUMBERS, { type: 'string'; default: string }>;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...numbers,
        seeds: { type: 'string', default: '0' },
        ages: { type: 'string', default: '200,400,600' },
        outer: { type: 'string', default: 'clean' },
        rated: { type: 'string', default: 'inner' },
        'from-start': { type: 'boolean', default: false },
        causal: { type: 'boolean', default: false },
        features: { type: 'string', default: '' },
        shared: { type: 'boolean', default: false },
        'first-order': { type: 'boolean', default: false },
        'cache-dir': { type: 'string', default: '.cache' },
        corpus: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function features(text: string): RowFeatureName[] {
  return text
    .split(',')
    .filter(Boolean)
    .map((name) => {
      const found = ROW_FEATURES.find((feature) => feature === name);
      if (found) return found;
      throw new UsageError(`--features: expected some of ${ROW_FEATURES.join(', ')}, got ${JSON.stringify(name)}`);
    });
}

function numeric(name: string, value: string, pattern: RegExp): number {
  if (pattern.test(value)) return Number(value);
  throw new UsageError(`--${name}: expected a number like ${pattern.source}, got ${JSON.stringify(value)}`);
}
