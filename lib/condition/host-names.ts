import { existsSync } from 'node:fs';
import { invalid } from '../check.ts';
import type { Corpus } from '../data/corpus.ts';
import { countHosts, rankedHosts, readHosts, topHosts, writeHosts, type HostEntry } from './host-table.ts';
import { FORMS, type HostNames, type MetadataForm } from './metadata-forms.ts';
import { MetadataReader, UNKNOWN, type MetadataOptions } from './metadata-reader.ts';

export interface HostNamesOptions {
  /** The table of hosts, which is written; one that is there already is read. */
  path: string;
  /** Taken for the table, instead of the hosts of the corpus. */
  given?: readonly HostEntry[];
  /** Share of the hosts that the form 'top-hosts' names, in percent. */
  topPercent: number;
  signal?: AbortSignal;
  onProgress?: (documents: number) => void;
}

/**
 * What stands for the hosts of a corpus; undefined where the metadata do not ask for it. The corpus is read once, the
 * URLs alone, unless a table is given. Errors: as namedHosts; IO.
 */
export async function hostNames(
  corpus: Corpus,
  documents: number,
  metadata: MetadataOptions,
  options: HostNamesOptions,
): Promise<HostNames | undefined> {
  const named = namedHosts(metadata);
  if (named === undefined) return undefined;
  const { column, form } = named;
  const { path, given, topPercent } = options;
  if (!existsSync(path)) {
    const entries = given ?? entriesOf(form, await countHosts(urls(corpus, column, documents), options), topPercent);
    await writeHosts(path, entries);
  }
  // What follows from the host alone need not be looked up.
  if (FORMS[form].name !== undefined && given === undefined) return undefined;
  return new Map((await readHosts(path)).map(({ host, metadata }) => [host, metadata]));
}

/**
 * The column whose hosts go by other names, and by which.
 * @throws GradfoldError INVALID_ARGUMENT for a template that wants two kinds of names
 */
export function namedHosts(metadata: MetadataOptions): { column: string; form: MetadataForm } | undefined {
  const columns = new MetadataReader(metadata).hostColumns;
  const [first] = columns;
  if (columns.every(({ column, form }) => column === first.column && form === first.form)) return first;
  const found = columns.map(({ column, form }) => `{${column}:${form}}`).join(' and ');
  throw invalid('template', 'one kind of names for the hosts of one column', found);
}

function entriesOf(form: MetadataForm, counts: ReadonlyMap<string, number>, topPercent: number): HostEntry[] {
  const { name } = FORMS[form];
  const top = name === undefined ? new Set(topHosts(counts, topPercent)) : undefined;
  return rankedHosts(counts).map(([host, documents]) => {
    const shown = top === undefined ? name!(host) : top.has(host) ? host : UNKNOWN;
    return { host, documents, metadata: shown };
  });
}

function* urls(corpus: Corpus, column: string, documents: number): Generator<unknown> {
  for (let i = 0; i < documents; i++) yield corpus.value(column, i);
}
