import type { MeasureRow, MecoData } from '../../report/meco-data.ts';
import { signed } from '../../report/text.ts';
import type { Facts } from '../stage.ts';
import { SIGNIFICANCE } from '../summary/domains.ts';

type Result = Pick<MecoData, 'losses' | 'choices' | 'steering'>;

/** What was found of MeCo, whichever way it falls: loss without metadata, right answers without, and what metadata do. */
export function headline({ losses, choices, steering }: Result): string {
  const arm = losses[0].arms.find(({ arm }) => arm === 'meco') ?? losses[0].arms.at(-1)!;
  const { arm: name } = arm;
  const parts = [
    losses[0].arms.length > 1 ? comparison(losses[0], name, 'nats', { better: 'lower', digits: 3 }) : '',
    losses[0].arms.length > 1
      ? comparison(
          choices.find(({ measure }) => measure === 'per character')!,
          name,
          'points',
          {
            better: 'higher',
            digits: 1,
          },
        )
      : '',
    steeringWords(steering[0], name, 'with none'),
    steeringWords(steering[2], name, 'with those of another text'),
  ].filter(Boolean);
  const text = parts.join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** One arm against the baseline on one row. */
function comparison(
  row: MeasureRow,
  name: string,
  unit: 'nats' | 'points',
  { better, digits }: { better: 'lower' | 'higher'; digits: number },
): string {
  const baseline = row.arms[0].arm;
  const { mean, sd, clear } = row.arms.find(({ arm }) => arm === name)!.difference!;
  const scale = unit === 'points' ? 100 : 1;
  const size = `${signed(scale * mean, digits)} ± ${(scale * sd).toFixed(digits)} ${unit}`;
  const what = unit === 'nats' ? 'in loss without metadata' : 'in multiple choice without metadata';
  if (!clear) return `${what} ${name} and ${baseline} cannot be told apart (${size})`;
  const wins = better === 'lower' ? mean < 0 : mean > 0;
  return `${what} ${name} ${wins ? 'beats' : 'loses to'} ${baseline} (${size})`;
}

/** What a text's own metadata do to its loss under a model that was trained with metadata. */
function steeringWords(row: MeasureRow, name: string, against: string): string {
  const { mean, sd, clear } = row.arms.find(({ arm }) => arm === name)!.difference!;
  const size = `${signed(mean, 4)} ± ${sd.toFixed(4)} nats`;
  const what = `compared ${against} a text’s own metadata`;
  if (!clear) return `${what} change its loss under ${name} by ${size}, which is not clear`;
  return `${what} ${mean < 0 ? 'lower' : 'raise'} its loss under ${name} (${size})`;
}

/** Standard error of the difference of two shares of right answers to the same number of questions, taken as independent. */
export const questionError = (share: number, questions: number): number =>
  Math.sqrt((2 * share * (1 - share)) / questions);

/** What the remarks need to know of a run. */
interface RunWords {
  /** Of one training of each arm. */
  tokens: number[];
  /** What a training reads. */
  rows: string;
  seeds: number;
  /** Counts of documents. */
  metadata: Facts;
  chance: number;
}

/** How the numbers came about, and what they do not show. */
export function remarks({ choices }: Result, run: RunWords): string[] {
  const { documents, withMetadata, withoutMetadata } = run.metadata;
  const answers = choices[0].arms.map(({ mean }) => mean);
  const error = Math.sqrt((run.chance * (1 - run.chance)) / choices[0].count);
  const nearChance = answers.every((x) => Math.abs(x - run.chance) < 2 * error);
  const many = (x: Facts[string]) => Number(x).toLocaleString('en');
  const [least, most] = [Math.min(...run.tokens), Math.max(...run.tokens)];
  const read = least === most ? many(least) : `${many(least)} to ${many(most)}, padding aside`;
  return [
    `Every arm trains on ${run.rows} (${read}) from the same initial weights. Metadata count: arms that have them read so much less text. ${run.seeds} seed${run.seeds === 1 ? '' : 's'}; ± is one standard deviation over seeds, and differences are paired by seed.`,
    run.seeds > 1
      ? `A difference counts as clear when its paired t-test has p < ${SIGNIFICANCE}, corrected for the number of arms where they are compared on one row (Holm); one in right answers must also exceed twice the standard error that ${choices[0].count} questions have, ${(200 * questionError(answers[0], choices[0].count)).toFixed(1)} points.`
      : 'One seed shows no spread: nothing here can be told from chance.',
    `Metadata were there for ${many(withMetadata)} of ${many(documents)} documents, missing or malformed for ${many(withoutMetadata)}.`,
    'The same tokens are predicted under all conditions; metadata and the begin token get no loss.',
    'The questions ask which continuation follows a passage of held-out text, with continuations of other documents beside it. They are made from the corpus, and measure no knowledge.',
    nearChance ? `All arms answer within two standard errors of chance (${(100 * run.chance).toFixed(0)} %).` : '',
    'Gao et al. (2025) find the gain of MeCo in downstream tasks at 1.6 billion parameters, not in perplexity. A model this small says little about that.',
  ].filter(Boolean);
}
