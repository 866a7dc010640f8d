import type { CliCommand } from './command.ts';
import { bench } from './commands/bench.ts';
import { compare } from './commands/compare.ts';
import { corpusCorrupt } from './commands/corpus-corrupt.ts';
import { corpusDemo } from './commands/corpus-demo.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/evaluate.ts';
import { explain } from './commands/explain.ts';
import { ingest } from './commands/ingest.ts';
import { order } from './commands/order.ts';
import { report } from './commands/report.ts';
import { run } from './commands/run.ts';
import { score } from './commands/score.ts';
import { scoreColumn } from './commands/score-column.ts';
import { scoreCombine } from './commands/score-combine.ts';
import { scoreGradient } from './commands/score-gradient.ts';
import { scoreNgram } from './commands/score-ngram.ts';
import { scorePerplexity } from './commands/score-perplexity.ts';
import { scoreText } from './commands/score-text.ts';
import { select } from './commands/select.ts';
import { tokenize } from './commands/tokenize.ts';
import { train } from './commands/train.ts';

/** Every command, in the order in which help lists them. */
export const COMMANDS: CliCommand[] = [
  run,
  compare,
  doctor,
  corpusDemo,
  corpusCorrupt,
  ingest,
  tokenize,
  score,
  scorePerplexity,
  scoreGradient,
  scoreNgram,
  scoreText,
  scoreColumn,
  scoreCombine,
  select,
  order,
  explain,
  train,
  evaluate,
  report,
  bench,
];
