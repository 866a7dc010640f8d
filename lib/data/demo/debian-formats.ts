import { gunzipSync, inflateSync } from 'node:zlib';
import { GradfoldError } from '../../errors.ts';

/** An entry of a dictionary: its headwords and definition. */
export interface DictionaryEntry {
  headword: string;
  text: string;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The number that dictd writes in base 64, most significant digit first (dictd(8), "Index file format"). */
function dictdNumber(digits: string): number {
  return [...digits].reduce((value, digit) => value * 64 + BASE64.indexOf(digit), 0);
}

/**
 * Entries of a dictd dictionary: an index of lines `headword TAB offset TAB length`, and the packed text. An entry that
 * several headwords lead to comes once, under the first that its own first line names.
 */
export function dictionaryEntries(index: string, packed: Buffer): DictionaryEntry[] {
  const bytes = gunzipSync(packed);
  const lengths = new Map<number, number>();
  for (const line of index.split('\n')) {
    const [headword, offset, length] = line.split('\t');
    if (length !== undefined && !headword.startsWith('00-database'))
      lengths.set(dictdNumber(offset), dictdNumber(length));
  }
  return [...lengths]
    .sort(([a], [b]) => a - b)
    .map(([offset, length]) => {
      const entry = bytes.toString('utf8', offset, offset + length);
      const [heading, ...definition] = entry.split('\n\n');
      const headwords = heading.replace(/\s+/g, ' ').trim().split('%%%');
      return { headword: headwords[0], text: [headwords.join(', '), ...definition].join('\n\n') };
    });
}

const R_STRINGS = 16;
const R_INTEGERS = 13;
/** Format, version 3, two R versions. */
const R_HEADER = 14;

/**
 * The string vectors of an R lazy-load database (.rdb) in the order of its index (.rdx). The index holds an offset and
 * a length for every variable, as integer vectors of two; a variable is its unpacked size and a zlib stream of R's XDR
 * serialisation ("R Internals", 1.8).
 */
export function lazyLoadStrings(index: Buffer, database: Buffer): string[][] {
  const bytes = gunzipSync(index);
  const pair = Buffer.from([0, 0, 0, R_INTEGERS, 0, 0, 0, 2]);
  const variables: string[][] = [];
  for (let at = bytes.indexOf(pair); at >= 0; at = bytes.indexOf(pair, at + 16)) {
    const offset = bytes.readUInt32BE(at + 8);
    const length = bytes.readUInt32BE(at + 12);
    variables.push(serializedStrings(inflateSync(database.subarray(offset + 4, offset + length))));
  }
  return variables;
}

function serializedStrings(bytes: Buffer): string[] {
  let at = R_HEADER;
  const next = () => bytes.readInt32BE((at += 4) - 4);
  const encodingName = next();
  at += encodingName;
  if ((next() & 0xff) !== R_STRINGS) throw new GradfoldError('INVALID_FILE', 'Rdata.rdb: expected a vector of strings');
  return Array.from({ length: next() }, () => {
    at += 4; // type and encoding of the string: always valid UTF-8 or ASCII here
    const length = Math.max(next(), 0); // −1 for NA
    return bytes.toString('utf8', at, (at += length));
  });
}

/** The blocks of a SWORD zText module: an index of (offset, packed length, length), 32-bit little-endian each. */
export function swordBlocks(index: Buffer, packed: Buffer): string[] {
  return Array.from({ length: index.length / 12 }, (_, i) => {
    const offset = index.readUInt32LE(12 * i);
    return inflateSync(packed.subarray(offset, offset + index.readUInt32LE(12 * i + 4))).toString('utf8');
  });
}

const XML_ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'" };

/** The text of OSIS markup without notes: a line for every paragraph, title and line of verse. */
export function osisToPlainText(markup: string): string {
  return markup
    .replace(/<note\b[^]*?<\/note>/g, '')
    .replace(/<\/?(?:div|chapter|title|lg?)\b[^>]*>/g, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:amp|lt|gt|quot|apos);/g, (entity) => XML_ENTITIES[entity])
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\n\s+/g, '\n');
}

/** The fields of every paragraph of a Debian control file; continuation lines stay as they are. */
export function* controlParagraphs(text: string): Generator<Map<string, string>> {
  for (const paragraph of text.split(/\n{2,}/)) {
    const fields = new Map<string, string>();
    for (const [, name, value] of paragraph.matchAll(/^([\w-]+):[^\S\n]*(.*(?:\n[^\S\n].*)*)/gm))
      fields.set(name, value);
    if (fields.size > 0) yield fields;
  }
}
