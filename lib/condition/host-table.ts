import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { writeAtomically } from '../atomic-file.ts';
import { checkFinite, checkInteger, invalid } from '../check.ts';
import { fileError, parseJsonObject } from '../files.ts';
import { hostOf } from './url.ts';

/** A host of a corpus, and what stands for it. */
export interface HostEntry {
  host: string;
  /** Documents of it. */
  documents: number;
  /** What the metadata say instead of the host. */
  metadata: string;
}

/** Documents between two turns of the event loop. */
const SLICE = 4096;

/** How many documents each host has; URLs without a host are passed over. */
export async function countHosts(
  urls: Iterable<unknown>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (documents: number) => void } = {},
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let documents = 0;
  for (const url of urls) {
    const host = typeof url === 'string' ? hostOf(url) : null;
    if (host !== null) counts.set(host, (counts.get(host) ?? 0) + 1);
    if (++documents % SLICE > 0) continue;
    onProgress?.(documents);
    await setImmediate();
    signal?.throwIfAborted();
  }
  return counts;
}

/** Hosts by their documents, the most frequent first, and of as many by name. */
export function rankedHosts(counts: ReadonlyMap<string, number>): [host: string, documents: number][] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/**
 * The most frequent `percent` of the hosts, rounded up, the most frequent first; of two with as many documents the one
 * that comes first by name.
 */
export function topHosts(counts: ReadonlyMap<string, number>, percent: number): string[] {
  checkFinite('percent', percent, { above: 0, max: 100 });
  // A product that is an integer but for rounding must not become the next one.
  const kept = Math.ceil((percent / 100) * counts.size - 1e-9);
  return rankedHosts(counts)
    .slice(0, kept)
    .map(([host]) => host);
}

/** Writes a table of hosts as JSON lines, atomically. */
export async function writeHosts(path: string, hosts: Iterable<HostEntry>): Promise<void> {
  await writeAtomically(path, async (handle) => {
    let lines = '';
    for (const { host, documents, metadata } of hosts) {
      lines += `${JSON.stringify({ host, documents, metadata })}\n`;
      if (lines.length < 2 ** 20) continue;
      await handle.write(lines);
      lines = '';
    }
    await handle.write(lines);
  });
}

/** Reads a table of hosts. Errors: NOT_FOUND; INVALID_FILE naming the first line that is none. */
export async function readHosts(path: string): Promise<HostEntry[]> {
  const entries: HostEntry[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
      if (line.trim() !== '') entries.push(entryOf(`${path}, line ${entries.length + 1}`, line));
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
  return entries;
}

function entryOf(what: string, line: string): HostEntry {
  const { host, documents = 0, metadata } = parseJsonObject(what, line);
  if (typeof host !== 'string' || typeof metadata !== 'string') {
    throw invalid(what, '{"host": "…", "documents": n, "metadata": "…"}', line, { code: 'INVALID_FILE' });
  }
  return { host, documents: checkInteger(`${what}, documents`, documents, 0), metadata };
}
