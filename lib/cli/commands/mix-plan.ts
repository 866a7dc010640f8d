import { openSamples } from '../../data/samples.ts';
import { parseWeights } from '../../mix/named-weights.ts';
import { domainQuotas } from '../../mix/quotas.ts';
import { domainPools, mixturePlan } from '../../mix/sampler.ts';
import { writePlan } from '../../order/plan.ts';
import { recordMetadata } from '../../select/plan-record.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';
import { formatTable } from '../table.ts';

export const mixPlan = defineCommand<{ out: string; weights: string; rows: number; force: boolean }>({
  usage: 'mix plan <samples>',
  description:
    'Draw a training plan from domain weights: each domain without replacement, then again, evenly interleaved.',
  example: 'gradfold mix plan tokens/samples.arrow --weights speeches=2,mail=1 --rows 6400 --out plan.arrow',
  limits: 'rows, if there are more',
  options: [
    outOption('the plan'),
    option(
      '--weights <list>',
      'weights by domain as in a=2,b=1, `uniform`, `proportional`, or a .json file with `weights`',
    ).makeOptionMandatory(),
    option('--rows <n>', 'rows of the plan', positiveInteger).makeOptionMandatory(),
    forceOption,
  ],
  async run({ args, options }) {
    const { out, seed, limit } = options;
    const path = args[0] as string;
    const pools = domainPools(await openSamples(path));
    const weights = await parseWeights(options.weights, pools);
    const rows = Math.min(options.rows, limit ?? Infinity);
    const { plan, domains } = mixturePlan(pools, domainQuotas(weights, rows), { seed });
    await claimOutput(out, options.force);
    await writePlan(out, plan, {
      seed: String(seed),
      'gradfold.mixture': JSON.stringify({ weights, domains }),
      ...recordMetadata({ from: `${rows} rows of the training split of ${path}, by domain weights` }),
    });
    const table = formatTable(
      ['domain', 'weight', 'rows', 'of', 'epochs'],
      domains.map(({ domain, available, rows: drawn, epochs }) => [
        domain,
        (drawn / rows).toFixed(4),
        String(drawn),
        String(available),
        epochs.toFixed(2),
      ]),
    );
    return { json: { path: out, rows, domains }, text: `${table}\n${out}: ${rows} rows` };
  },
});
