import { mergeScores } from '../../score/merge.ts';
import { writeScoreTable } from '../../score/table.ts';
import { claimOutput, defineCommand, forceOption, outOption } from '../command.ts';

export const scoreMerge = defineCommand<{ out: string; force: boolean }>({
  usage: 'score merge <parts...>',
  description: 'Put the score tables of all parts of a scoring together, or tables of different rows.',
  example: 'gradfold score merge scores-*.arrow --out scores.arrow',
  options: [outOption('the score table of all rows'), forceOption],
  async run({ args, options }) {
    const parts = args[0] as string[];
    const { rows, columns, metadata } = await mergeScores(parts);
    await claimOutput(options.out, options.force);
    await writeScoreTable(options.out, rows, columns, metadata);
    return {
      json: { path: options.out, parts: parts.length, rows: rows.length, columns: Object.keys(columns) },
      text: `${options.out}: ${rows.length} rows of ${parts.length} tables, columns ${Object.keys(columns).join(', ')}`,
    };
  },
});
