import { BOILERPLATE_LINES } from './boilerplate-lines.ts';
import type { Draws } from './draws.ts';

/** One of the lines over and over, begun anywhere in it, as long as the text was. */
export function repeatBoilerplate(text: string, draws: Draws, lines: readonly string[]): string {
  const line = `${draws.pick(lines)}\n`;
  const start = draws.integer(line.length);
  return line.repeat(Math.ceil((start + text.length) / line.length)).slice(start, start + text.length);
}

/** Every other line is for documents that are held out. */
export function boilerplateLines(heldOut: boolean): string[] {
  return BOILERPLATE_LINES.filter((_, i) => (i % 2 === 1) === heldOut);
}
