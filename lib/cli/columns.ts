const WIDEST = 120;
const NARROWEST_COLUMN = 24;
const GAP = '  │ ';

/** Texts in columns beside each other under their heads, wrapped between words; one below the other where there is no room. */
export function sideBySide(heads: string[], texts: string[], width = process.stdout.columns ?? WIDEST): string {
  const column = Math.floor((Math.min(width, WIDEST) + GAP.length) / heads.length) - GAP.length;
  if (heads.length === 1 || column < NARROWEST_COLUMN) {
    return heads.map((head, i) => `— ${head}\n${texts[i]}`).join('\n');
  }
  const cells = heads.map((head, i) => [...wrap(head, column), '─'.repeat(column), ...wrap(texts[i], column)]);
  // Rules stand side by side: shorter heads are filled up.
  const headLines = Math.max(...heads.map((head) => wrap(head, column).length));
  cells.forEach((lines, i) => lines.unshift(...new Array<string>(headLines - wrap(heads[i], column).length).fill('')));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    cells
      .map((lines) => (lines[line] ?? '').padEnd(column))
      .join(GAP)
      .trimEnd(),
  ).join('\n');
}

/** Lines of at most `width` characters; words that are longer are cut. */
function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (line.length + word.trimEnd().length > width && line !== '') {
        lines.push(line.trimEnd());
        line = '';
      }
      line += word;
      while (line.trimEnd().length > width) {
        lines.push(line.slice(0, width));
        line = line.slice(width);
      }
    }
    return [...lines, line.trimEnd()];
  });
}
