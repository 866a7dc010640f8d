import type { CliCommand } from './command.ts';
import { bench } from './commands/bench.ts';
import { compare } from './commands/compare.ts';
import { corpusDemo } from './commands/corpus-demo.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/evaluate.ts';
import { ingest } from './commands/ingest.ts';
import { order } from './commands/order.ts';
import { report } from './commands/report.ts';
import { run } from './commands/run.ts';
import { score } from './commands/score.ts';
import { select } from './commands/select.ts';
import { tokenize } from './commands/tokenize.ts';
import { train } from './commands/train.ts';

/** Every command, in the order in which help lists them. */
export const COMMANDS: CliCommand[] = [
  run,
  compare,
  doctor,
  corpusDemo,
  ingest,
  tokenize,
  score,
  select,
  order,
  train,
  evaluate,
  report,
  bench,
];
