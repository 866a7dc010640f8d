import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend } from '../backend/types.ts';
import type { Batch, TokenRow } from '../data/batch.ts';
import type { Corpus } from '../data/corpus.ts';
import { rowOf, type TokenSource } from '../data/token-source.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';
import type { Optimizer } from '../model/optimizer.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { SequenceRater } from '../model/sequence-rater.ts';
import { CHUNK_ELEMENTS } from '../model/safetensors.ts';

/** What a resumable step was started with, by name: plain values, or digests of large ones. */
export type Fingerprint = Record<string, string | number>;

/** SHA-256 over texts and typed arrays, in order, each with its length. */
export function digest(parts: Iterable<string | NodeJS.TypedArray>): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.byteLength}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** What results depend on of a backend. */
export function backendKey({ name, precision }: Backend): string {
  return precision === 'f32' ? name : `${name} ${precision}`;
}

/** A digest of every tensor, by name and value; read in parts, so that large parameters are not held twice. */
export function digestParameters(parameters: ParameterVector): string {
  return digest(tensorParts(parameters));
}

/** A digest of what an optimizer's metric depends on (see Optimizer.precondition). */
export function digestMetric(optimizer: Optimizer): string {
  const { v, ...settings } = optimizer.metricState();
  return digest([JSON.stringify(settings), digestParameters(v)]);
}

/** The same of all that a rater's scores depend on. */
export function digestRater({ parameters, config: { features }, reference }: SequenceRater): string {
  const own = digestParameters(parameters);
  if (!features) return own;
  return digest([own, JSON.stringify(features), ...(reference ? [digestParameters(reference.parameters)] : [])]);
}

function* tensorParts(parameters: ParameterVector): Generator<string | NodeJS.TypedArray> {
  for (const { name, shape, read } of parameters.tensorSources()) {
    yield name;
    const size = shape.reduce((a, b) => a * b, 1);
    for (let offset = 0; offset < size; offset += CHUNK_ELEMENTS) {
      yield read(offset, Math.min(CHUNK_ELEMENTS, size - offset));
    }
  }
}

/** A digest of everything in the batches that a loss can depend on. */
export function digestBatches(batches: Iterable<Batch>): string {
  return digest(batchParts(batches));
}

function* batchParts(batches: Iterable<Batch>): Generator<string | NodeJS.TypedArray> {
  for (const { batch, time, inputIds, labels, attentionMask, documentIds, tokenTypeIds } of batches) {
    yield `${batch}x${time}`;
    yield inputIds;
    yield labels;
    yield attentionMask ?? 'no mask';
    yield documentIds ?? 'no documents';
    yield tokenTypeIds ?? 'no token types';
  }
}

/** Rows whose tokens are hashed to tell whether a resumed step reads the same samples. */
const HASHED_ROWS = 256;

/** A digest of the tokens, and what else there is, of some of the rows at even distances. */
export function digestRows(samples: TokenSource, rows: Uint32Array): string {
  const stride = Math.ceil(rows.length / HASHED_ROWS);
  const hashed = rows.filter((_, i) => i % stride === 0);
  return digest(Array.from(hashed, (row) => rowParts(rowOf(samples, row))).flat());
}

/** Documents that are hashed to tell whether a resumed step reads the same corpus. */
const HASHED_DOCUMENTS = 64;

/** A digest of ids, texts and domains of some documents of a corpus at even distances. */
export function digestCorpus(corpus: Corpus): string {
  const stride = Math.max(1, Math.floor(corpus.count / HASHED_DOCUMENTS));
  const hashed = [];
  for (let i = 0; i < corpus.count; i += stride) hashed.push(corpus.id(i), corpus.text(i), corpus.domain(i));
  return digest(hashed);
}

/** A digest of a tokenizer.json, or of the one in a folder. Errors: NOT_FOUND; IO. */
export async function digestTokenizer(path: string): Promise<string> {
  try {
    const file = (await stat(path)).isDirectory() ? join(path, 'tokenizer.json') : path;
    return digest([await readFile(file)]);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** What a row consists of; of one that has nothing but tokens, those. */
export function rowParts({ inputIds, ...rest }: TokenRow): (string | Int32Array)[] {
  const others = Object.entries(rest).flatMap(([name, values]) => (values ? [name, Int32Array.from(values)] : []));
  return [Int32Array.from(inputIds), ...others];
}

/**
 * @param afresh how to get rid of the state
 * @throws GradfoldError INVALID_ARGUMENT saying what differs, when a saved state belongs to other inputs: going on from
 *   it would mix two runs.
 */
export function checkSameRun(
  directory: string,
  saved: Fingerprint,
  current: Fingerprint,
  afresh = 'delete this one',
): void {
  const names = new Set([...Object.keys(saved), ...Object.keys(current)]);
  const differences = [...names]
    .filter((name) => saved[name] !== current[name])
    .map((name) => `${name} was ${brief(saved[name])}, is ${brief(current[name])}`);
  if (differences.length > 0) {
    throw new GradfoldError(
      'INVALID_ARGUMENT',
      `${directory} holds the state of another run: ${differences.join('; ')}; ` +
        `repeat it with what it was started with, or give another directory, or ${afresh} to start afresh`,
    );
  }
}

function brief(value: string | number | undefined): string {
  if (value === undefined) return 'absent';
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : String(value);
}
