// The public surface of gradfold, and nothing else.
export { GradfoldError, type ErrorCode } from './errors.ts';

export { availableBackends, openBackend } from './backend/open.ts';
export { measureProduct } from './backend/measure.ts';
export type {
  Backend,
  BackendInfo,
  BackendName,
  BackendOptions,
  FloatArray,
  ProductShape,
  SketchRequest,
} from './backend/types.ts';

export type { BertConfig, Gpt2Config, LlamaConfig, ModelConfig, RaterConfig, RaterSettings } from './model/config.ts';
export type { BatchShape, MemoryEstimate, MemoryOperation, PerSampleMemory } from './model/memory.ts';
export type { Pooling } from './model/shape.ts';
export type { RopeParameters } from './model/rope.ts';
export {
  LanguageModel,
  type GradientOptions,
  type PerSampleRequest,
  type PerSampleResult,
  type WeightOptions,
} from './model/language-model.ts';
export { SequenceRater, type RaterBatch, type RaterLoadOptions } from './model/sequence-rater.ts';
export type { CallOptions, TransformerModel } from './model/transformer-model.ts';
export type { ParameterVector } from './model/parameter-vector.ts';
export {
  createOptimizer,
  type AdamwConfig,
  type Optimizer,
  type OptimizerConfig,
  type SgdConfig,
} from './model/optimizer.ts';

export { collate, IGNORED_LABEL, type Batch, type CollateOptions, type TokenRow } from './data/batch.ts';
export { openCorpus, writeCorpus, type Corpus, type CorpusDocument } from './data/corpus.ts';
export { readDocuments, type ReadOptions } from './data/readers.ts';
export { loadTokenizer, trainTokenizer, type Tokenizer, type TrainTokenizerOptions } from './data/tokenizer.ts';
export {
  openSamples,
  splitOf,
  tokenizeCorpus,
  writeSamples,
  type Samples,
  type Split,
  type TokenizeOptions,
} from './data/samples.ts';

export { argsort, argsortAsync, type ArgsortOptions } from './order/argsort.ts';
export { foldOrder, foldOrderAsync, foldPartitions, type FoldOptions } from './order/fold.ts';
export {
  leastFileMemory,
  orderFile,
  type FileOrder,
  type FileSelection,
  type OrderedFile,
  type OrderFileOptions,
  type OrderFileProgress,
} from './order/order-file.ts';
export { leastMemory, type MemoryOptions } from './order/sort-kernel.ts';
export { shuffleOrder } from './order/shuffle.ts';
export { planOf, readPlan, writePlan, type OrderMethod, type Plan } from './order/plan.ts';
export { topK, topKAsync } from './select/top-k.ts';
export { topRatio, topRatioAsync } from './select/top-ratio.ts';
export { aboveThreshold } from './select/threshold.ts';
export {
  softmaxWeights,
  softmaxWeightsAsync,
  softmaxWeightsBackward,
  softmaxWeightsBackwardAsync,
  type SoftmaxOptions,
} from './weight/softmax.ts';
export { acceptProbability, type AcceptOptions } from './weight/accept.ts';

export { annotateLqs, lqsSweep, type Contribution, type LqsOptions, type ScoreSet } from './score/lqs.ts';
export { readScores, writeScores } from './score/columns.ts';

export { train, type TrainOptions } from './train/trainer.ts';
export type { ScheduleConfig } from './train/schedule.ts';
export {
  evaluatePerplexity,
  type Perplexity,
  type PerplexityOptions,
  type PerplexityReport,
} from './evaluate/perplexity.ts';

export {
  perSampleLinear,
  type LinearLayer,
  type PerSampleLinearRequest,
  type PerSampleLinearResult,
} from './score/per-sample-linear.ts';
