import { createReadStream } from 'node:fs';
import { Readable, pipeline, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { GradfoldError } from '../../errors.ts';
import { fileError } from '../../files.ts';

/** A file to read documents from. */
export interface SourceFile {
  path: string;
  /** Its name below the path that the caller gave; row ids are made from it, so they survive a move of the whole. */
  name: string;
  /** Bytes on disk. */
  size: number;
}

/** One row of a source file: its fields, or what is wrong with it. `place` is what messages call it. */
export type SourceRow = { index: number; place: string } & (
  { fields: Record<string, unknown>; problem?: undefined } | { problem: string }
);

/** Reads the rows of one format. `onBytes` is told the bytes on disk that were taken, as they are. */
export type FormatReader = (file: SourceFile, onBytes: (bytes: number) => void) => AsyncGenerator<SourceRow>;

type Bytes = AsyncIterable<Uint8Array>;

/** How the bytes behind a last extension are unpacked. */
const DECOMPRESSORS: Record<string, (chunks: Bytes) => Bytes> = {
  '.gz': (chunks) => through(chunks, zlib.createGunzip()),
  '.zst': unpackZstandard,
};

export const COMPRESSED_EXTENSIONS = Object.keys(DECOMPRESSORS);

/** The contents of a file, unpacked when its name ends in .gz or .zst. A damaged archive is INVALID_FILE. */
export async function* contents(file: SourceFile, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const extension = COMPRESSED_EXTENSIONS.find((known) => file.path.endsWith(known));
  const stored = storedBytes(file.path, onBytes);
  try {
    yield* extension ? DECOMPRESSORS[extension](stored) : stored;
  } catch (error) {
    const system = fileError('read', file.path, error);
    if (system instanceof GradfoldError || extension === undefined) throw system;
    throw new GradfoldError(
      'INVALID_FILE',
      `${file.path}: expected a whole ${extension} file, got a damaged or truncated one (${(error as Error).message})`,
      { cause: error },
    );
  }
}

async function* storedBytes(path: string, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    onBytes(chunk.length);
    yield chunk;
  }
}

function through(chunks: Bytes, transform: Transform): Bytes {
  // A failure on either side destroys `transform`, whose reader then sees it.
  pipeline(Readable.from(chunks), transform, () => undefined);
  return transform;
}

/** By zlib where Node has Zstandard (22.15 and later), by fzstd where not. */
function unpackZstandard(chunks: Bytes): Bytes {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  return createZstdDecompress ? through(chunks, createZstdDecompress()) : unpackZstandardPortably(chunks);
}

async function* unpackZstandardPortably(chunks: Bytes): AsyncGenerator<Uint8Array> {
  let unpacked: Uint8Array[] = [];
  const decompress = new Decompress((chunk) => unpacked.push(chunk));
  for await (const chunk of chunks) {
    decompress.push(chunk);
    yield* unpacked;
    unpacked = [];
  }
  decompress.push(new Uint8Array(0), true);
  yield* unpacked;
}
