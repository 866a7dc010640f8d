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
  type HvpOptions,
  type LogitsOptions,
  type PerSampleRequest,
  type PerSampleResult,
  type WeightOptions,
} from './model/language-model.ts';
export { ROW_FEATURES, type RowFeature, type RowFeatureName } from './model/row-features.ts';
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
export type { OptimizerState } from './model/optimizer-update.ts';
export { VectorPool } from './model/vector-pool.ts';

export {
  collate,
  IGNORED_LABEL,
  predictedTokens,
  type Batch,
  type CollateOptions,
  type TokenRow,
} from './data/batch.ts';
export type { BatchList } from './data/batch-list.ts';
export { openCorpus, writeCorpus, type Corpus, type CorpusDocument } from './data/corpus.ts';
export { corpusDocuments } from './data/corpus-documents.ts';
export { demoCorpus, type DemoCorpusOptions } from './data/demo-corpus.ts';
export {
  CORRUPTIONS,
  corruptDocuments,
  type Corruption,
  type CorruptOptions,
  type LanguageText,
} from './data/corrupt.ts';
export type { PieceOptions } from './data/pieces.ts';
export { readDocuments, type ReadOptions } from './data/readers.ts';
export {
  loadTokenizer,
  trainTokenizer,
  type Tokenizer,
  type TokenizerOptions,
  type TrainTokenizerOptions,
} from './data/tokenizer.ts';
export { wordStarts } from './data/word-starts.ts';
export {
  isPacked,
  MIXED_DOMAIN,
  openSamples,
  splitOf,
  tokenizeCorpus,
  writeSamples,
  type OpenSamplesOptions,
  type PackedPiece,
  type PackedSamples,
  type Samples,
  type Shard,
  type Split,
  type TokenizeOptions,
} from './data/samples.ts';
export { tokenizeInto, type TokenizationOptions } from './recipe/tokenization.ts';

export { conditionDocument, type ConditionedDocument, type ConditionOptions } from './condition/condition-document.ts';
export { packDocuments, packRows, type PackableDocument } from './condition/pack-documents.ts';
export type { PackCounts } from './condition/pack/counts.ts';
export type { PackedRow, PackOptions, PackStrategy } from './condition/pack/row-packer.ts';
export { conditionInto, type ConditionIntoOptions, type ConditionReport } from './condition/condition-into.ts';
export {
  MetadataReader,
  type MetadataCounts,
  type MetadataOptions,
  type MissingMetadata,
} from './condition/metadata-reader.ts';
export type { HostNames, MetadataForm } from './condition/metadata-forms.ts';
export { countHosts, readHosts, topHosts, writeHosts, type HostEntry } from './condition/host-table.ts';
export { hostOf, publicSuffixOf, registrableDomainOf } from './condition/url.ts';

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
export { measureOrder, type OrderTimes } from './order/measure.ts';
export { leastMemory, type MemoryOptions } from './order/sort-kernel.ts';
export { shuffleOrder } from './order/shuffle.ts';
export { jitterOrder, type JitterOptions } from './order/jitter.ts';
export { segmentOrder, type SegmentedOrder, type SegmentOptions } from './order/segments.ts';
export { zigzagOrder } from './order/zigzag.ts';
export type { OrderMethod } from './order/methods.ts';
export { planOf, readPlan, writePlan, type Plan } from './order/plan.ts';
export { shardedPlan, wholePlan, type PlannedTable } from './order/sharded-plan.ts';
export { topK, topKAsync } from './select/top-k.ts';
export { topRatio, topRatioAsync } from './select/top-ratio.ts';
export { aboveThreshold } from './select/threshold.ts';
export type { Keep, Selection } from './select/rule.ts';
export { selectPlaces, type Cut, type Selected, type SelectionRecord, type SelectOptions } from './select/selection.ts';
export { greedyBatch, type GreedyBatchOptions } from './select/greedy-batch.ts';
export { GreedyFilter, type GreedyFilterOptions } from './select/greedy-filter.ts';
export { candidatesFor, ratioFor } from './select/discard.ts';
export { RaterFilter, type RaterFilterOptions } from './select/rater-filter.ts';
export { PointFilter, type PointFilterOptions } from './select/point-filter.ts';
export { bestOfWindows, type BatchWindowOptions } from './select/batch-windows.ts';
export {
  softmaxWeights,
  softmaxWeightsAsync,
  softmaxWeightsBackward,
  softmaxWeightsBackwardAsync,
  type SoftmaxOptions,
} from './weight/softmax.ts';
export { metaGradient, type MetaGradient, type MetaGradientOptions } from './weight/meta-gradient.ts';
export { acceptProbability, type AcceptOptions } from './weight/accept.ts';
export {
  divideRows,
  trainDataRater,
  type DataRaterLogEntry,
  type DataRaterOptions,
  type InnerStart,
  type PopulationOptions,
  type RowSetsOptions,
  type RowsOptions,
  type TrainedDataRater,
} from './weight/data-rater.ts';
export { featuresOf, initializeDataRater, type DataRaterInit } from './weight/data-rater/rater-model.ts';
export { trainInnerStarts, type InnerStartOptions } from './weight/data-rater/inner-starts.ts';

export {
  DIAGNOSES,
  FALLBACKS,
  fitScalingLaw,
  lawValue,
  type Diagnosis,
  type Fallback,
  type ScalingLaw,
  type ScalingLawFit,
  type ScalingLawOptions,
} from './mix/scaling-law.ts';
export { optimizeMixture, type Mixture, type MixtureProblem } from './mix/mixture.ts';
export { descendMixture, type MixtureDescent } from './mix/mixture-descent.ts';
export { predictMixture, type MixturePrediction, type PredictionProblem } from './mix/predict.ts';
export { proportionalWeights, uniformWeights } from './mix/baselines.ts';
export { domainQuotas, type ByDomain } from './mix/quotas.ts';
export { interleave } from './mix/interleave.ts';
export {
  domainPools,
  domainUse,
  mixturePlan,
  type DomainPools,
  type DomainUse,
  type MixturePlan,
} from './mix/sampler.ts';
export { ddoRuns, type DdoRun } from './mix/ddo.ts';
export { searchDdo, type DdoSearch, type DdoSearchOptions } from './recipe/autoscale/ddo-search.ts';
export { runJobs, type PoolOptions } from './recipe/autoscale/job-pool.ts';
export type { JobRecord, JobSettings, TrainingJob } from './recipe/autoscale/training-job.ts';
export { MaskedSamples, type MaskingOptions } from './data/mlm.ts';
export {
  randomMixtures,
  regressionMixture,
  type MixtureRegression,
  type MixtureRegressionOptions,
  type RegressionForm,
} from './mix/regression.ts';
export {
  regressionByMeasure,
  type MeasuresRegression,
  type MeasuresRegressionOptions,
} from './mix/regression-by-measure.ts';
export { readMixResults, writeMixResults, type MixRun } from './mix/results.ts';
export {
  fitResponses,
  type DomainResponse,
  type MixtureResponse,
  type ResponseCell,
  type ResponseOptions,
  type ScaleResponse,
} from './mix/response.ts';
export {
  analyzeMixture,
  inputOf,
  type AnalysisOptions,
  type AnalyzedScale,
  type MixtureAnalysis,
  type MixtureInput,
  type MixtureScale,
} from './mix/analysis.ts';

export { annotateLqs, lqsSweep, type Contribution, type LqsOptions, type ScoreSet } from './score/lqs.ts';
export { lqsMemory, type AnnotationShape } from './score/lqs-memory.ts';
export { trainScorer, type ScorerLogEntry, type ScorerOptions, type TrainedScorer } from './score/scorer.ts';
export { scorerData, type ScorerData, type ScorerDataOptions } from './score/scorer-data.ts';
export { loadScorer, saveScorer, type LoadedScorer, type ScorerRecord } from './score/scorer-files.ts';
export { mergeScores, type MergedScores } from './score/merge.ts';
export { readScores, writeScores } from './score/columns.ts';
export { readScoreTable, writeScoreTable, type ScoreTable } from './score/table.ts';
export { scoreRows, type Reencode, type ScoreRowsOptions } from './score/rater-scores.ts';
export { perplexityScores } from './score/perplexity.ts';
export {
  estimateMoments,
  GradientScorer,
  gradientScores,
  type Alignment,
  type GradientScoreOptions,
  type GradientScores,
  type RowAlignments,
} from './score/gradient.ts';
export { InRunScores, type InRunOptions, type InRunTable } from './score/in-run.ts';
export type { TargetOptions } from './score/target-gradient.ts';
export { NgramModel, ngramScores, type NgramOptions } from './score/ngram.ts';
export { TEXT_FEATURES, textFeatures, textFeatureScores, type TextFeature } from './score/text-features.ts';
export { columnScores, type ColumnScoreOptions } from './score/column-scores.ts';
export { combineScores, type WeightedScores } from './score/combine.ts';
export type { DocumentScoreOptions } from './score/document-scores.ts';
export { explainScores, type ExplainOptions, type FeatureEffect, type ScoreExplanation } from './score/explain.ts';
export type { DomainScores, KeptShare } from './score/explain-domains.ts';

export { train, type TrainerState, type TrainOptions } from './train/trainer.ts';
export type {
  BatchFilter,
  Choice,
  HookState,
  ObservedStep,
  StepContext,
  StepObserver,
  StepRows,
} from './train/hooks.ts';
export type { TokenSource } from './data/token-source.ts';
export { rowLosses, type LossOptions } from './evaluate/losses.ts';
export {
  cooldownSteps,
  documentsIn,
  mixedThroughout,
  unseenRows,
  withCooldown,
  type CooldownOptions,
  type PlannedRows,
  type StagedRun,
} from './train/cooldown.ts';
export type { PlanStage, StagedPlan } from './train/stages.ts';
export type { ScheduleConfig } from './train/schedule.ts';
export {
  crossValidatedLasso,
  lassoPath,
  type CrossValidatedLasso,
  type CrossValidationOptions,
  type LassoPathOptions,
  type LassoPoint,
} from './evaluate/lasso.ts';
export { leastSquares, standardize, type LeastSquares, type Standardized } from './evaluate/least-squares.ts';
export {
  forwardFlops,
  metaTrainingFlops,
  netGain,
  featureFlops,
  raterFlops,
  type FilteredTraining,
  type MetaTrainingSize,
  type NetGain,
} from './evaluate/compute.ts';
export {
  gainOverSeeds,
  matchedLoss,
  type GainOverSeeds,
  type GainWithSeed,
  type MatchedLoss,
} from './evaluate/matched-loss.ts';
export { sweepRho, type Sweep, type SweepOptions, type SweepRow } from './recipe/rate-sweep.ts';
export { areaWithError, type RocArea } from './evaluate/roc.ts';
export {
  areaUnderCurve,
  firstCrossing,
  pairedDifference,
  spearman,
  summarize,
  type Summary,
} from './evaluate/statistics.ts';
export {
  evaluatePerplexity,
  type Perplexity,
  type PerplexityOptions,
  type PerplexityReport,
} from './evaluate/perplexity.ts';

export {
  evaluateChoices,
  NORMALIZATIONS,
  type ChoiceOptions,
  type ChoiceReport,
  type ChoiceResult,
  type Normalization,
} from './evaluate/choice.ts';
export { parseQuestion, readQuestions, type ChoiceQuestion } from './evaluate/choice-questions.ts';
export {
  continuationQuestions,
  type ContinuationQuestion,
  type ContinuationQuestionOptions,
  type QuestionDocument,
} from './evaluate/continuation-questions.ts';
export {
  evaluateUnderPrefixes,
  prefixTokens,
  type EvaluationTasks,
  type PrefixEvaluation,
  type PrefixOptions,
} from './evaluate/harness.ts';
export { logLikelihoods, type Continuation } from './evaluate/log-likelihood.ts';
export { PrefixedSamples } from './evaluate/prefix.ts';
export { generate, type GeneratedText, type GenerateOptions } from './generate/generate.ts';
export type { SamplingOptions } from './generate/sampling.ts';

export {
  perSampleLinear,
  type LinearLayer,
  type PerSampleLinearRequest,
  type PerSampleLinearResult,
} from './score/per-sample-linear.ts';
