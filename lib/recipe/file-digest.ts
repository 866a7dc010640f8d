import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { fileError } from '../files.ts';

/**
 * SHA-256 of a file's content.
 * @throws GradfoldError NOT_FOUND or IO
 */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash).catch((cause: unknown) => {
    throw fileError('read', path, cause);
  });
  return hash.digest('hex');
}
