import { Option } from 'commander';
import { invalid } from '../../check.ts';
import { DEFAULT_LAYERS } from '../../order/fold.ts';
import { describeOrder, namedOrder, ORDER_NAMES, orderProblem, type OrderName } from '../../order/named.ts';
import { planOf, readPlan, writePlan } from '../../order/plan.ts';
import { readScoreTable, restrictTable } from '../../score/table.ts';
import { recordMetadata, recordOf } from '../../select/plan-record.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';
import { UsageError } from '../io.ts';

export const order = defineCommand<{
  out: string;
  column: string;
  plan?: string;
  method: OrderName;
  layers: number;
  window?: number;
  segments?: number;
  force: boolean;
}>({
  usage: 'order <scores>',
  description: 'Put scored rows, or the selected ones among them, into a training order.',
  example: 'gradfold order scores.arrow --plan kept.arrow --method fold --layers 3 --out plan.arrow',
  limits: 'rows of the order, its first ones',
  options: [
    outOption('the plan'),
    option('--column <name>', 'score column', String, 'lqs'),
    option('--plan <path>', 'order only the rows of this plan, as `gradfold select` writes it'),
    new Option('--method <name>', 'how').choices(ORDER_NAMES).default('fold'),
    option('--layers <n>', 'layers of a fold or zigzag', positiveInteger, DEFAULT_LAYERS),
    option('--window <n>', 'rows of a window of jitter', positiveInteger),
    option('--segments <n>', 'number of segments', positiveInteger),
    forceOption,
  ],
  async run({ args, options }) {
    const { out, column, method, limit } = options;
    const problem = orderProblem(method, options, (key) => `--${key}`);
    if (problem) throw new UsageError(`order: ${problem}`);
    const file = args[0] as string;
    const table = await readScoreTable(file, column);
    const selected = options.plan === undefined ? undefined : await readPlan(options.plan);
    if (selected?.shards) {
      throw invalid(options.plan!, 'a plan over the whole table', 'one with a column shard', { code: 'INVALID_DATA' });
    }
    const { rows, scores } = selected ? restrictTable(table, selected.rows) : table;
    const order = namedOrder(method, options);
    const places = Uint32Array.from(rows, (_, place) => place);
    const whole = planOf(places, scores, order);
    const plan = {
      rows: whole.rows.slice(0, limit).map((place) => rows[place]),
      layers: whole.layers.slice(0, limit),
      weights: whole.weights.slice(0, limit),
    };
    await claimOutput(out, options.force);
    const earlier = selected ? recordOf(options.plan!, selected.metadata) : {};
    const record = {
      selection: earlier.selection,
      selectedBy: earlier.selectedBy,
      order,
      orderedBy: { column, file },
      from: options.plan ?? file,
      limit: plan.rows.length < rows.length ? limit : earlier.limit,
    };
    await writePlan(out, plan, recordMetadata(record));
    return {
      json: { path: out, rows: plan.rows.length, method, order },
      text: `${out}: ${plan.rows.length} rows, ${describeOrder(order)}`,
    };
  },
});
