// Calls of the public surface with valid arguments, which the fuzzer spoils. Each gives its arguments and makes the call;
// `keep` takes what a later call may use.

const weightsOf = (world, batch) => {
  const { choices } = world;
  return choices.chance(0.5) ? {} : { weights: Float64Array.from({ length: batch.batch }, (_, i) => i / 3 - 0.5) };
};

const onModel = (method, options) => ({
  args: (world) => {
    const batch = world.batch();
    return [world.model(), batch, { ...options?.(world, batch), ...world.signal() }];
  },
  call: (world, [model, ...args]) => model[method](...args),
});

const onRater = (method, args = () => []) => ({
  args: (world) => {
    const batch = world.batch();
    return [world.rater(), batch, ...args(world, batch), world.signal()];
  },
  call: (world, [rater, ...args]) => rater[method](...args),
});

/** A layer of another framework: [its shape and arrays, numbers of its weight]. */
function linearLayer({ choices }) {
  const [batch, time, inFeatures, outFeatures] = [4, 3, 6, 5].map((most) => 1 + choices.below(most));
  const numbers = (length) => new (choices.of([Float32Array, Float64Array]))(length).map((_, i) => Math.cos(i));
  const activations = numbers(batch * time * inFeatures);
  const outputGradients = numbers(batch * time * outFeatures);
  return [{ activations, outputGradients, batch, time, inFeatures, outFeatures }, numbers(inFeatures * outFeatures)];
}

const onVector = (method, args = () => []) => ({
  args: (world) => [world.vector(), ...args(world)],
  call: (world, [vector, ...rest]) => vector[method](...rest),
});

const onScores = (name, args = () => []) => ({
  args: (world) => [world.scores(), ...args(world)],
  call: ({ gradfold }, args) => gradfold[name](...args),
});

const OPTIMIZERS = [
  { kind: 'sgd', lr: 0.01, clipNorm: 1 },
  { kind: 'adamw', lr: 0.01, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
];

export const PUBLIC_CALLS = {
  openBackend: {
    args: ({ choices }) => [
      'cpu',
      {
        threads: 1 + choices.below(3),
        isa: choices.of(['avx2', 'baseline']),
        gemm: 'portable',
        precision: choices.of(['f32', 'bf16']),
        recompute: choices.of([true, false]),
      },
    ],
    call: ({ gradfold }, args) => gradfold.openBackend(...args),
    keep: (world, backend) => backend.dispose(),
  },
  initialize: {
    args: (world) => [world.config(), { backend: world.backend, seed: 3, ...world.signal() }],
    call: ({ gradfold }, args) => gradfold.LanguageModel.initialize(...args),
    keep: (world, model) => world.keep(world.models, model),
  },
  loss: onModel('loss'),
  gradient: {
    ...onModel('gradient', (world, batch) => ({
      ...weightsOf(world, batch),
      ...(world.choices.chance(0.5) && { into: world.vector() }),
    })),
    keep: (world, { gradient }) => world.keep(world.vectors, gradient),
  },
  perSample: {
    ...onModel('perSample', (world, batch) => ({
      ...weightsOf(world, batch),
      norms: world.choices.chance(0.5),
      gram: world.choices.chance(0.5),
      gradients: world.choices.chance(0.3),
      dots: [world.vector(), world.vector()].slice(world.choices.below(3)),
      ...(world.choices.chance(0.3) && { sketch: { dimensions: 1 + world.choices.below(9), seed: 7 } }),
      ...(world.choices.chance(0.3) && batch.documentIds && { granularity: 'document', weights: undefined }),
    })),
    keep: (world, { gradients = [] }) => gradients.forEach((vector) => world.keep(world.vectors, vector)),
  },
  logits: {
    args: (world) => {
      const { choices } = world;
      const batch = world.batch();
      const lists = () => Array.from({ length: batch.batch }, () => (choices.chance(0.7) ? [choices.below(3)] : []));
      return [world.model(), batch, { ...(choices.chance(0.5) && { positions: lists() }), ...world.signal() }];
    },
    call: (world, [model, ...args]) => model.logits(...args),
  },
  jvp: {
    args: (world) => [world.model(), world.batch(), world.vector(), world.signal()],
    call: (world, [model, ...args]) => model.jvp(...args),
  },
  hvp: {
    args: (world) => {
      const batch = world.batch();
      const addTo = world.choices.chance(0.5) && { addTo: world.vector() };
      return [world.model(), batch, world.vector(), { ...weightsOf(world, batch), ...addTo, ...world.signal() }];
    },
    call: (world, [model, ...args]) => model.hvp(...args),
    keep: (world, { hvp }) => world.keep(world.vectors, hvp),
  },
  metaGradient: {
    args: (world) => {
      const { choices } = world;
      const batches = Array.from({ length: 1 + choices.below(2) }, () => world.batch());
      const scores = batches.map(({ batch }) => Float64Array.from({ length: batch }, (_, i) => Math.sin(i)));
      const optimizer = choices.of(OPTIMIZERS);
      const state = optimizer.kind === 'adamw' && choices.chance(0.5);
      return [
        world.model(),
        {
          batches,
          scores,
          outer: world.batch(),
          optimizer,
          gradient: choices.chance(0.5),
          finalState: choices.chance(0.5),
          ...(choices.chance(0.3) && { masks: batches.map(({ batch }) => new Uint8Array(batch).fill(1)) }),
          ...(state && { state: { step: 3, m: world.vector(), v: world.vector() } }),
          ...world.signal(),
        },
      ];
    },
    call: ({ gradfold }, args) => gradfold.metaGradient(...args),
    keep: (world, { final }) => world.keep(world.vectors, final),
  },
  memory: {
    args: ({ choices, ...world }) => [
      choices.of(world.models),
      { batch: 1 + choices.below(4), time: 1 + choices.below(9) },
      choices.of(['loss', 'gradient', 'perSample', 'jvp', 'hvp', 'trainingStep']),
      { norms: choices.chance(0.5), dots: choices.below(3), gram: choices.chance(0.5), sketch: { dimensions: 4 } },
    ],
    call: (world, [model, ...args]) => model.memory(...args),
  },
  'initialize a rater': {
    args: (world) => [world.raterConfig(), { backend: world.backend, seed: 3, ...world.signal() }],
    call: ({ gradfold }, args) => gradfold.SequenceRater.initialize(...args),
    keep: (world, rater) => world.keep(world.raters, rater),
  },
  score: onRater('score'),
  'backward of a rater': {
    ...onRater('backward', (world, batch) => [Float64Array.from({ length: batch.batch }, (_, i) => i / 2 - 1)]),
    keep: (world, gradient) => world.keep(world.vectors, gradient),
  },
  perSampleLinear: {
    args: (world) => {
      const [layer, weight] = linearLayer(world);
      const { choices, backend } = world;
      const request = {
        norms: choices.chance(0.5),
        gram: choices.chance(0.5),
        gradients: choices.chance(0.5),
        dots: [weight],
        ...(choices.chance(0.5) && { into: weight.slice() }),
        ...weightsOf(world, layer),
        ...world.signal(),
      };
      return [backend, layer, request];
    },
    call: ({ gradfold }, args) => gradfold.perSampleLinear(...args),
  },
  vector: {
    args: (world) => [world.model(), ...(world.choices.chance(0.3) ? [world.vector().toRecord()] : [])],
    call: (world, [model, record]) => model.vector(record),
    keep: (world, vector) => world.keep(world.vectors, vector),
  },
  'parameters of a model': {
    args: (world) => [world.model()],
    call: (world, [model]) => model.parameters,
    keep: (world, vector) => world.keep(world.vectors, vector),
  },
  copy: { ...onVector('copy'), keep: (world, vector) => world.keep(world.vectors, vector) },
  fill: onVector('fill', () => [0.25]),
  copyFrom: onVector('copyFrom', (world) => [world.vector()]),
  scale: onVector('scale', () => [0.5]),
  axpy: onVector('axpy', (world) => [0.5, world.vector()]),
  dot: onVector('dot', (world) => [world.vector()]),
  norm: onVector('norm'),
  toRecord: onVector('toRecord'),
  setFrom: onVector('setFrom', (world) => [world.vector().toRecord()]),
  createOptimizer: {
    args: (world) => [world.model(), world.choices.of(OPTIMIZERS)],
    call: ({ gradfold }, args) => gradfold.createOptimizer(...args),
    keep: (world, optimizer) => world.keep(world.optimizers, optimizer),
  },
  step: {
    args: (world) => [world.choices.of(world.optimizers), world.vector()],
    call: (world, [optimizer, gradient]) => optimizer.step(gradient),
  },
  'learning rate': {
    args: (world) => [world.choices.of(world.optimizers), 0.1],
    call: (world, [optimizer, lr]) => {
      optimizer.lr = lr;
    },
  },
  'dispose of a vector': { ...onVector('dispose'), rare: true },
  'dispose of a model': { args: (world) => [world.model()], call: (world, [model]) => model.dispose(), rare: true },
  'dispose of a backend': {
    args: (world) => [world.backend],
    call: (world, [backend]) => backend.dispose(),
    rare: true,
  },
  measureProduct: {
    args: ({ choices, backend }) => [
      backend,
      { m: 1 + choices.below(40), n: 1 + choices.below(40), k: 1 + choices.below(40), transposeB: choices.chance(0.5) },
    ],
    call: ({ gradfold }, args) => gradfold.measureProduct(...args),
  },
  collate: {
    args: (world) => [world.rows(), { length: 9, paddingId: 1 }],
    call: ({ gradfold }, args) => gradfold.collate(...args),
  },
  argsort: onScores('argsort', ({ choices }) => [{ descending: choices.chance(0.5) }]),
  argsortAsync: onScores('argsortAsync', (world) => [world.signal()]),
  foldOrder: onScores('foldOrder', ({ choices }) => [{ layers: 1 + choices.below(9) }]),
  foldOrderAsync: onScores('foldOrderAsync', (world) => [{ layers: 3, ...world.signal() }]),
  foldPartitions: onScores('foldPartitions', () => [{ layers: 4 }]),
  topK: onScores('topK', ({ choices }) => [1 + choices.below(3000)]),
  topKAsync: onScores('topKAsync', (world) => [7, world.signal()]),
  topRatio: onScores('topRatio', () => [0.5]),
  aboveThreshold: onScores('aboveThreshold', () => [0.1]),
  softmaxWeights: onScores('softmaxWeights', () => [{ temperature: 0.5 }]),
  softmaxWeightsBackward: {
    args: () => [Float64Array.of(0.25, 0.75), Float64Array.of(1, 2), { temperature: 2, groups: Int32Array.of(0, 0) }],
    call: ({ gradfold }, args) => gradfold.softmaxWeightsBackward(...args),
  },
  shuffleOrder: { args: () => [100, 5], call: ({ gradfold }, args) => gradfold.shuffleOrder(...args) },
  acceptProbability: {
    args: () => [0.3, { batch: 32, keep: 8 }],
    call: ({ gradfold }, args) => gradfold.acceptProbability(...args),
  },
};
