import { CORRUPTIONS } from 'gradfold';
import type { DiscriminationReport } from './discrimination.ts';

const COLUMNS = ['all', ...CORRUPTIONS] as const;
const NAME_WIDTH = 34;
const WIDTH = 15;

/** A line for each score: the area over all corruptions and of each, with what it may be off by. */
export function areaTable(title: string, reports: Record<string, DiscriminationReport>): string {
  const lines = Object.entries(reports).map(
    ([name, report]) =>
      name.padEnd(NAME_WIDTH) +
      COLUMNS.map((column) => figure(report[column].area, report[column].standardError).padStart(WIDTH)).join(''),
  );
  const heading = ''.padEnd(NAME_WIDTH) + COLUMNS.map((column) => column.padStart(WIDTH)).join('');
  return [title, heading, ...lines, ''].join('\n');
}

function figure(area: number, error: number): string {
  return `${area.toFixed(3)} ± ${error.toFixed(3)}`;
}

/**
 * Reports of several seeds as one: the mean area, and the standard error of that mean from the spread between seeds,
 * which holds all that differs between them. One seed keeps the error within it.
 */
export function meanReport(reports: readonly DiscriminationReport[]): DiscriminationReport {
  if (reports.length === 1) return reports[0];
  const entries = COLUMNS.map((column) => {
    const areas = reports.map((report) => report[column].area);
    const area = areas.reduce((sum, x) => sum + x, 0) / areas.length;
    const variance = areas.reduce((sum, x) => sum + (x - area) ** 2, 0) / (areas.length - 1);
    return [column, { area, standardError: Math.sqrt(variance / areas.length) }];
  });
  return Object.fromEntries(entries) as DiscriminationReport;
}
