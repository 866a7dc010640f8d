import { join } from 'node:path';
import { readJsonObject } from '../../files.ts';
import { FILES } from '../../recipe/context.ts';
import type { BaseData } from '../../recipe/method.ts';
import { writeReport } from '../../recipe/run.ts';
import { defineCommand, option } from '../command.ts';

export const report = defineCommand<{ out?: string }>({
  usage: 'report <run>',
  description: 'Draw the page of a finished run again.',
  example: 'gradfold report runs/demo --out demo.html',
  options: [option('-o, --out <path>', 'where the page goes (default: report.html in the run)')],
  async run({ args, options }) {
    const dir = args[0] as string;
    const data = (await readJsonObject(join(dir, FILES.reportData))) as unknown as BaseData;
    const path = await writeReport(dir, data, options.out);
    return { json: { path, headline: data.headline }, text: `${data.headline}\n${path}` };
  },
});
