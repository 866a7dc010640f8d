import { combineScores, type WeightedScores } from '../../score/combine.ts';
import { readScoreTable } from '../../score/table.ts';
import { claimOutput, defineCommand, forceOption, option, outOption } from '../command.ts';
import { UsageError } from '../io.ts';
import { writtenScores } from '../score-output.ts';

export const scoreCombine = defineCommand<{ out: string; name: string; force: boolean }>({
  usage: 'score combine <columns...>',
  description: 'Add up score columns, each standardised and with a weight.',
  example: 'gradfold score combine lqs.arrow:lqs=1 perplexity.arrow:loss=-0.5 --out combined.arrow',
  limits: 'rows of the combination, its first ones',
  options: [outOption('the score table'), option('--name <name>', 'its score column', String, 'combined'), forceOption],
  async run({ args, options }) {
    const specs = args[0] as string[];
    const parts = await Promise.all(specs.map(readPart));
    const { rows, scores } = combineScores(parts);
    const most = Math.max(...parts.map((part) => part.rows.length));
    await claimOutput(options.out, options.force);
    const { json, text } = await writtenScores(
      options.out,
      rows.subarray(0, options.limit),
      { [options.name]: scores.subarray(0, options.limit) },
      { method: 'combine', columns: specs.join(' ') },
    );
    const note = rows.length < most ? `\n\n${most - rows.length} rows that not all files score were left out` : '';
    return { json, text: text + note };
  },
});

/** FILE:COLUMN=WEIGHT; the weight is 1 where it is not given. */
async function readPart(spec: string): Promise<WeightedScores> {
  const [, path, column, weight] = /^(.+):([^:=]+)(?:=([^:=]+))?$/.exec(spec) ?? [];
  const value = weight === undefined ? 1 : Number(weight);
  if (path === undefined || !Number.isFinite(value)) {
    throw new UsageError(`score combine: expected FILE:COLUMN=WEIGHT, got "${spec}"`);
  }
  return { ...(await readScoreTable(path, column)), name: spec, weight: value };
}
