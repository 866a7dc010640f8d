import type { PlanTrace, RowTrace, ScoreTrace } from '../select/trace.ts';
import { formatTable } from './table.ts';

/** What is known of a document apart from its rows. */
export interface DocumentFacts {
  id: string;
  /** Row of the corpus. */
  document: number;
  domain: string;
  characters: number;
  beginning: string;
  /** Rows that it was cut into. */
  rowCount: number;
}

/** What became of a document, for a terminal. */
export function formatTrace(facts: DocumentFacts, rows: RowTrace[]): string {
  const { id, document, domain, characters, beginning, rowCount } = facts;
  const shown = rows.length < rowCount ? `, ${rows.length} shown` : '';
  const head = `${id}: document ${document} of domain ${domain}, ${characters} characters, ${rowCount} rows${shown}`;
  if (rows.length === 0) return `${head}\n${beginning}\n\nNone of it is in the samples: tokenizing left it out.`;
  const tables = [
    formatTable(
      ['row', 'split', 'tokens'],
      rows.map(({ row, split, tokens }) => [String(row), split, String(tokens)]),
    ),
    listing(['row', 'score', 'value', 'rank', 'of', 'percentile', 'file'], rows, ({ scores }) =>
      scores.flatMap(scoreCells),
    ),
    listing(['row', 'plan', 'position', 'of', 'layer', 'weight', 'why not'], rows, ({ plans }) => plans.map(planCells)),
  ];
  return [head, beginning, ...tables.filter(Boolean).map((table) => `\n${table}`)].join('\n');
}

/** One line for each cell list of each row, or nothing where there is none. */
function listing(head: string[], rows: RowTrace[], cellsOf: (row: RowTrace) => string[][]): string {
  const lines = rows.flatMap((row) => cellsOf(row).map((cells) => [String(row.row), ...cells]));
  return lines.length > 0 ? formatTable(head, lines) : '';
}

/** None for a score that the row does not have. */
const scoreCells = ({ column, value, rank, of, percentile, file }: ScoreTrace): string[][] =>
  value === null || rank === null || percentile === null
    ? []
    : [[column, short(value), String(rank), String(of), percentile.toFixed(1), file]];

const planCells = ({ plan, positions, of, layer, weight, dropped }: PlanTrace): string[] => [
  plan,
  positions.join(' '),
  String(of),
  layer === null ? '' : String(layer),
  weight === null ? '' : short(weight),
  dropped?.explanation ?? '',
];

const short = (x: number): string => String(Number(x.toPrecision(6)));
