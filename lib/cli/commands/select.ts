import { planOf, writePlan } from '../../order/plan.ts';
import { selectRows } from '../../recipe/plans.ts';
import { readScoreTable } from '../../score/table.ts';
import { claimOutput, defineCommand, forceOption, number, option, outOption, positiveInteger } from '../command.ts';
import { UsageError } from '../io.ts';

export const select = defineCommand<{
  out: string;
  column: string;
  topRatio?: number;
  topK?: number;
  above?: number;
  force: boolean;
}>({
  usage: 'select <scores>',
  description: 'Keep the highest-scored rows of a score table.',
  example: 'gradfold select scores.arrow --top-ratio 0.5 --out kept.arrow',
  limits: 'rows of the table, its first ones',
  options: [
    outOption('the plan of the kept rows, ascending by row'),
    option('--column <name>', 'score column', String, 'lqs'),
    option('--top-ratio <r>', 'keep this share, in (0, 1]', number),
    option('--top-k <k>', 'keep this many', positiveInteger),
    option('--above <x>', 'keep scores strictly above x', number),
    forceOption,
  ],
  async run({ args, options }) {
    const { out, topRatio, topK, above, limit } = options;
    const given = Object.entries({ topRatio, topK, above }).filter(([, value]) => value !== undefined);
    if (given.length !== 1) throw new UsageError('select: give exactly one of --top-ratio, --top-k, --above');
    const { rows, scores } = await readScoreTable(args[0] as string, options.column);
    const table = { rows: rows.subarray(0, limit), scores: scores.subarray(0, limit) };
    const kept = selectRows(table, Object.fromEntries(given)).sort();
    await claimOutput(out, options.force);
    const plan = planOf(
      kept,
      Float64Array.from({ length: kept.at(-1)! + 1 }, (_, row) => row),
      { method: 'sort' },
    );
    await writePlan(out, plan, { selected: JSON.stringify(Object.fromEntries(given)), from: args[0] as string });
    return {
      json: { path: out, kept: kept.length, of: table.rows.length },
      text: `${out}: kept ${kept.length} of ${table.rows.length} rows`,
    };
  },
});
