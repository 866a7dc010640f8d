import { createHash } from 'node:crypto';
import type { Batch } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';

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

/** A digest of every tensor, by name and value. */
export function digestParameters(parameters: ParameterVector): string {
  return digest(Object.entries(parameters.toRecord()).flat());
}

/** A digest of everything in the batches that a loss can depend on. */
export function digestBatches(batches: readonly Batch[]): string {
  return digest(
    batches.flatMap(({ batch, time, inputIds, labels, attentionMask, documentIds, tokenTypeIds }) => [
      `${batch}x${time}`,
      inputIds,
      labels,
      attentionMask ?? 'no mask',
      documentIds ?? 'no documents',
      tokenTypeIds ?? 'no token types',
    ]),
  );
}

/**
 * @throws GradfoldError INVALID_ARGUMENT saying what differs, when a saved state belongs to other inputs: going on from
 *   it would mix two runs.
 */
export function checkSameRun(directory: string, saved: Fingerprint, current: Fingerprint): void {
  const names = new Set([...Object.keys(saved), ...Object.keys(current)]);
  const differences = [...names]
    .filter((name) => saved[name] !== current[name])
    .map((name) => `${name} was ${brief(saved[name])}, is ${brief(current[name])}`);
  if (differences.length > 0) {
    throw new GradfoldError(
      'INVALID_ARGUMENT',
      `${directory} holds the state of another run: ${differences.join('; ')}; ` +
        'repeat it with what it was started with, or give another directory, or delete this one to start afresh',
    );
  }
}

function brief(value: string | number | undefined): string {
  if (value === undefined) return 'absent';
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : String(value);
}
