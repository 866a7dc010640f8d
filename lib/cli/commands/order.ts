import { Option } from 'commander';
import { readPlan, writePlan } from '../../order/plan.ts';
import { makePlan, restrict } from '../../recipe/plans.ts';
import type { PlanRecipe } from '../../recipe/schema.ts';
import { readScoreTable } from '../../score/table.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';

export const order = defineCommand<{
  out: string;
  column: string;
  plan?: string;
  method: PlanRecipe['order'];
  layers: number;
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
    new Option('--method <name>', 'how').choices(['fold', 'shuffle', 'ascending', 'descending']).default('fold'),
    option('--layers <n>', 'layers of the fold', positiveInteger, 3),
    forceOption,
  ],
  async run({ args, options }) {
    const { out, method, layers, seed, limit } = options;
    const table = await readScoreTable(args[0] as string, options.column);
    const chosen = options.plan === undefined ? table : restrict(table, (await readPlan(options.plan)).rows);
    await claimOutput(out, options.force);
    const whole = makePlan(chosen, { order: method, layers }, { seed });
    const plan = {
      rows: whole.rows.slice(0, limit),
      layers: whole.layers.slice(0, limit),
      weights: whole.weights.slice(0, limit),
    };
    await writePlan(out, plan, { order: method, layers: String(layers), seed: String(seed), from: args[0] as string });
    return {
      json: { path: out, rows: plan.rows.length, method },
      text: `${out}: ${plan.rows.length} rows, ${method === 'fold' ? `folded in ${layers} layers` : method}`,
    };
  },
});
