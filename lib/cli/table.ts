/** Rows as aligned columns: the first to the left, numbers to the right. */
export function formatTable(head: string[], rows: string[][]): string {
  const all = head.length > 0 ? [head, ...rows] : rows;
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const isNumber = widths.map((_, column) => column > 0 && rows.every((row) => /^[−+-]?[\d.]|^$/.test(row[column])));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (isNumber[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
