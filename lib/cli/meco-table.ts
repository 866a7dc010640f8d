import type { MeasureRow, MecoData } from '../report/meco-data.ts';
import { plusMinus, signed } from '../report/text.ts';
import { formatTable } from './table.ts';

/** The result of a MeCo run for a terminal. */
export function formatMeco(data: MecoData): string {
  const names = data.arms.map(({ name }) => name);
  const tables = [
    formatTable(
      ['loss', 'before the text', ...names],
      data.losses.map((row) => line(row, 1, 3)),
    ),
    formatTable(
      ['what metadata do', 'before the text', ...names],
      data.steering.map((row) => line(row, 1, 4)),
    ),
    formatTable(
      ['right answers, %', 'before the text', ...names],
      data.choices.map((row) => line(row, 100, 1)),
    ),
  ];
  return [...tables.flatMap((table) => [table, '']), data.headline, ...data.remarks].join('\n');
}

/** A difference where there is one, with a star where it is clear; else the number itself. */
function line({ measure, condition, arms }: MeasureRow, scale: number, digits: number): string[] {
  const cells = arms.map(({ mean, sd, difference }) => {
    if (!difference) return plusMinus(scale * mean, scale * sd, digits);
    const size = `${signed(scale * difference.mean, digits)} ± ${(scale * difference.sd).toFixed(digits)}`;
    return `${size}${difference.clear ? ' *' : '  '}`;
  });
  return [measure, condition, ...cells];
}
