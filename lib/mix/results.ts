import { readFile } from 'node:fs/promises';
import { csvFormat, csvParseRows } from 'd3-dsv';
import { writeTextAtomically } from '../atomic-file.ts';
import { checkObject, invalid } from '../check.ts';
import { fileError } from '../files.ts';

/** One training of a mixture experiment: what was changed, and what was measured. */
export interface MixRun {
  /** The domain whose amount was changed; null for the base run. */
  domain: string | null;
  /** Its amount as a multiple of its base amount; 1 for the base run, null where `quantity` says it. */
  factor: number | null;
  /** Its amount itself, in the unit of the scale. */
  quantity: number | null;
  /** Sum of the base run's amounts; null where results are of one scale only. */
  scale: number | null;
  seed: number | null;
  /** Standard deviation of the average, in its unit. */
  sigma: number | null;
  /** The average over measures, where the table states it. */
  average: number | null;
  /** The measured values by name, mostly those of domains. */
  metrics: Record<string, number>;
}

const NUMBERS = ['factor', 'quantity', 'scale', 'seed', 'sigma', 'average'] as const;
const RESERVED: readonly string[] = ['domain', ...NUMBERS];

/** What stands in the domain column of a base run, besides nothing at all. */
const BASE = 'base';

/**
 * Reads the results of a mixture experiment: a CSV file with a heading, or a JSON list of objects with the same names
 * (docs/formats.md, "Mixture results").
 * @throws GradfoldError INVALID_FILE naming the line and the column.
 */
export async function readMixResults(path: string): Promise<MixRun[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fileError('read', path, cause);
  });
  return parseMixResults(path, text);
}

/** As `readMixResults`, from the text of the file called `name`. */
export function parseMixResults(name: string, text: string): MixRun[] {
  const rows = /^\s*[[{]/.test(text) ? jsonRows(name, text) : csvRows(name, text);
  if (rows.length === 0) throw invalid(name, 'a row for each run', 'none', { code: 'INVALID_FILE' });
  return rows.map(({ where, cells }) => runOf(where, cells));
}

/** The results as a CSV file; columns that no run has are left out. */
export async function writeMixResults(path: string, runs: readonly MixRun[]): Promise<void> {
  const used = NUMBERS.filter((column) => runs.some((run) => run[column] !== null));
  const measures = [...new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)))];
  const rows = runs.map((run): Record<string, string | number> => ({
    domain: run.domain ?? BASE,
    ...Object.fromEntries(used.map((column) => [column, run[column] ?? ''])),
    ...run.metrics,
  }));
  await writeTextAtomically(path, `${csvFormat(rows, ['domain', ...used, ...measures])}\n`);
}

interface Row {
  /** File and line, for messages. */
  where: string;
  cells: Record<string, unknown>;
}

function csvRows(name: string, text: string): Row[] {
  const lines = csvParseRows(text.replace(/^\uFEFF/, '')).filter((cells) => cells.some((cell) => cell.trim() !== ''));
  const head = (lines.shift() ?? []).map((cell) => cell.trim());
  const twice = head.find((column, i) => head.indexOf(column) !== i);
  if (twice !== undefined) throw invalid(`${name}, line 1`, 'different columns', `${twice} twice`, INVALID_FILE);
  return lines.map((cells, i) => {
    const where = `${name}, row ${i + 1}`;
    if (cells.length !== head.length) {
      throw invalid(where, `${head.length} cells, as the heading has`, cells.length, INVALID_FILE);
    }
    return { where, cells: Object.fromEntries(head.map((column, j) => [column, cells[j].trim()])) };
  });
}

const INVALID_FILE = { code: 'INVALID_FILE' } as const;

function jsonRows(name: string, text: string): Row[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(name, 'JSON', text, { ...INVALID_FILE, cause });
  }
  if (!Array.isArray(value)) throw invalid(name, 'a list of runs', value, INVALID_FILE);
  return value.map((cells: unknown, i) => {
    checkObject(`${name}, row ${i + 1}`, cells);
    return { where: `${name}, row ${i + 1}`, cells: cells as Record<string, unknown> };
  });
}

function runOf(where: string, cells: Record<string, unknown>): MixRun {
  if (!('domain' in cells)) {
    throw invalid(where, 'a column domain', Object.keys(cells).join(', '), {
      ...INVALID_FILE,
      fix: 'name the domain that the run changed, or nothing for the base run',
    });
  }
  const named = typeof cells.domain === 'string' ? cells.domain.trim() : '';
  const domain = named === '' || named === BASE ? null : named;
  const numbers = Object.fromEntries(
    NUMBERS.map((column) => [column, numberIn(`${where}: ${column}`, cells[column])]),
  ) as Record<(typeof NUMBERS)[number], number | null>;
  const metrics: Record<string, number> = {};
  for (const [column, cell] of Object.entries(cells)) {
    if (RESERVED.includes(column)) continue;
    const value = numberIn(`${where}: ${column}`, cell);
    if (value === null) throw invalid(`${where}: ${column}`, 'a number', cell, INVALID_FILE);
    metrics[column] = value;
  }
  if (domain !== null && numbers.factor === null && numbers.quantity === null) {
    throw invalid(where, `the factor or the quantity of ${domain}`, 'neither', INVALID_FILE);
  }
  for (const column of ['factor', 'quantity', 'scale', 'sigma'] as const) {
    const value = numbers[column];
    if (value !== null && !(value > 0)) throw invalid(`${where}: ${column}`, 'a number > 0', value, INVALID_FILE);
  }
  return { ...numbers, domain, factor: domain === null ? 1 : numbers.factor, metrics };
}

/** A number, a fraction such as 1/3, or null for an empty cell. */
function numberIn(where: string, cell: unknown): number | null {
  if (cell === undefined || cell === null || cell === '') return null;
  const [numerator, denominator, ...more] = typeof cell === 'string' ? cell.split('/') : [cell];
  const value = Number(numerator) / Number(denominator ?? 1);
  if (more.length > 0 || !Number.isFinite(value)) throw invalid(where, 'a number', cell, INVALID_FILE);
  return value;
}
