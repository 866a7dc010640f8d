import type { CliCommand } from './command.ts';
import { bench } from './commands/bench.ts';
import { compare } from './commands/compare.ts';
import { condition } from './commands/condition.ts';
import { corpusCorrupt } from './commands/corpus-corrupt.ts';
import { corpusDemo } from './commands/corpus-demo.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/evaluate.ts';
import { explain } from './commands/explain.ts';
import { generate } from './commands/generate.ts';
import { ingest } from './commands/ingest.ts';
import { mixFit } from './commands/mix-fit.ts';
import { mixOptimize } from './commands/mix-optimize.ts';
import { mixPlan } from './commands/mix-plan.ts';
import { mixPredict } from './commands/mix-predict.ts';
import { mixReport } from './commands/mix-report.ts';
import { mixRun } from './commands/mix-run.ts';
import { order } from './commands/order.ts';
import { plan } from './commands/plan.ts';
import { questions } from './commands/questions.ts';
import { rateExplain } from './commands/rate-explain.ts';
import { rateFilter } from './commands/rate-filter.ts';
import { rateScore } from './commands/rate-score.ts';
import { rateSweep } from './commands/rate-sweep.ts';
import { rateTrain } from './commands/rate-train.ts';
import { report } from './commands/report.ts';
import { run } from './commands/run.ts';
import { scoreApply } from './commands/score-apply.ts';
import { scoreColumn } from './commands/score-column.ts';
import { scoreCombine } from './commands/score-combine.ts';
import { scoreDocuments } from './commands/score-documents.ts';
import { scoreFit } from './commands/score-fit.ts';
import { scoreGradient } from './commands/score-gradient.ts';
import { scoreLqs } from './commands/score-lqs.ts';
import { scoreMerge } from './commands/score-merge.ts';
import { scoreNgram } from './commands/score-ngram.ts';
import { scorePerplexity } from './commands/score-perplexity.ts';
import { scoreText } from './commands/score-text.ts';
import { select } from './commands/select.ts';
import { tokenize } from './commands/tokenize.ts';
import { train } from './commands/train.ts';

/** What words that begin several commands stand for. */
export const GROUPS: Record<string, string> = {
  corpus: 'Corpora that are fetched or spoiled on purpose.',
  mix: 'Domain mixtures by scale (AutoScale): searches, laws, the best mixture, its prediction, plans, a page.',
  rate: 'A DataRater: train it, rate rows with it, keep the best ones, see what its scores mean.',
  score: 'What rows are worth: score them, train a scorer, apply it.',
};

/** Every command, in the order in which help lists them. */
export const COMMANDS: CliCommand[] = [
  run,
  compare,
  doctor,
  corpusDemo,
  corpusCorrupt,
  ingest,
  tokenize,
  condition,
  scoreLqs,
  scoreFit,
  scoreApply,
  scorePerplexity,
  scoreGradient,
  scoreNgram,
  scoreText,
  scoreColumn,
  scoreCombine,
  scoreMerge,
  scoreDocuments,
  rateTrain,
  rateScore,
  rateFilter,
  rateExplain,
  rateSweep,
  mixRun,
  mixFit,
  mixOptimize,
  mixPredict,
  mixReport,
  mixPlan,
  select,
  order,
  plan,
  explain,
  train,
  evaluate,
  questions,
  generate,
  report,
  bench,
];
