import { Option } from 'commander';
import { openSamples } from '../../data/samples.ts';
import { planInOrder, writePlan } from '../../order/plan.ts';
import { readScoreTable } from '../../score/table.ts';
import { recordMetadata } from '../../select/plan-record.ts';
import { describeSelection, KEEPS, selectionProblem, type Keep, type Selection } from '../../select/rule.ts';
import { selectPlaces, type Cut, type SelectionRecord } from '../../select/selection.ts';
import { claimOutput, defineCommand, forceOption, number, option, outOption, positiveInteger } from '../command.ts';
import { UsageError } from '../io.ts';
import { formatTable } from '../table.ts';

/** The flag of a key of a selection: --top-ratio of topRatio. */
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

export const select = defineCommand<{
  out: string;
  column: string;
  topRatio?: number;
  topK?: number;
  above?: number;
  below?: number;
  keep?: Keep;
  perDomain?: true;
  samples?: string;
  temperature?: number;
  force: boolean;
}>({
  usage: 'select <scores>',
  description: 'Keep some rows of a score table: a share, a number, or those within a threshold.',
  example: 'gradfold select scores.arrow --top-ratio 0.5 --out kept.arrow',
  limits: 'rows of the table, its first ones',
  options: [
    outOption('the plan of the kept rows, ascending by row'),
    option('--column <name>', 'score column', String, 'lqs'),
    option('--top-ratio <r>', 'keep this share, in (0, 1]', number),
    option('--top-k <k>', 'keep this many', positiveInteger),
    option('--above <x>', 'keep scores strictly above x', number),
    option('--below <x>', 'keep scores strictly below x', number),
    new Option('--keep <part>', 'of the sorted scores (default: high)').choices(KEEPS),
    option('--per-domain', 'select within each domain of --samples'),
    option('--samples <path>', 'the scored rows, for their domains'),
    option('--temperature <t>', 'draw instead of cutting off: Gumbel noise of this scale on the scores', number),
    forceOption,
  ],
  async run({ args, options }) {
    const { out, column, limit, seed } = options;
    const { topRatio, topK, above, below, keep, perDomain, temperature } = options;
    const selection = withoutUndefined({ topRatio, topK, above, below, keep, perDomain, temperature });
    const problem = selectionProblem(selection, flagOf);
    if (problem) throw new UsageError(`select: ${problem}`);
    if (perDomain && options.samples === undefined) {
      throw new UsageError('select: --per-domain needs --samples, the file of the scored rows');
    }
    const file = args[0] as string;
    const samples = options.samples === undefined ? undefined : await openSamples(options.samples);
    const table = await readScoreTable(file, column, samples);
    const rows = table.rows.subarray(0, limit);
    const { places, record } = selectPlaces(table.scores.subarray(0, limit), selection, {
      rows,
      seed,
      domains: samples && Array.from(rows, (row) => samples.domain(row)),
    });
    await claimOutput(out, options.force);
    const plan = planInOrder(places.map((place) => rows[place]).sort());
    await writePlan(out, plan, recordMetadata({ selection: record, selectedBy: { column, file } }));
    return { json: { path: out, ...record, column }, text: `${out}: ${inWords(record, column)}` };
  },
});

function withoutUndefined(selection: Selection): Selection {
  return Object.fromEntries(Object.entries(selection).filter(([, value]) => value !== undefined));
}

function inWords(record: SelectionRecord, column: string): string {
  const { selection, kept, of, domains } = record;
  const score = selection.temperature ? `${column} with noise` : column;
  const first = `kept ${kept} of ${of} rows: ${describeSelection(selection, column)} (${score} ${range(record)})`;
  if (!domains) return first;
  const lines = Object.entries(domains).map(([name, cut]) => [
    name,
    String(cut.kept),
    String(cut.of),
    `${((100 * cut.kept) / cut.of).toFixed(1)} %`,
    range(cut),
  ]);
  return `${first}\n${formatTable(['domain', 'kept', 'of', 'share', score], lines)}`;
}

/** Of the kept scores. */
const range = ({ lowest, highest }: Cut): string =>
  lowest === null || highest === null ? 'none' : `${short(lowest)} to ${short(highest)}`;

const short = (x: number): string => String(Number(x.toPrecision(4)));
