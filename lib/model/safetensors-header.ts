import { invalid } from '../check.ts';
import { parseJsonObject } from '../files.ts';

// The safetensors format: 8 bytes little-endian header length n, n bytes of JSON mapping each name to {dtype, shape,
// data_offsets: [begin, end]} (byte offsets after the header; "__metadata__" maps strings to strings), then the data,
// which the tensors tile without gaps or overlaps.

/** Bytes of an element of each type of the format. */
export const DTYPE_BYTES: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

export interface TensorInfo {
  name: string;
  dtype: string;
  shape: number[];
  /** Number of elements. */
  size: number;
  /** Offset of its first byte in the file. */
  begin: number;
}

export interface SafetensorsHeader {
  metadata: Record<string, string>;
  tensors: Map<string, TensorInfo>;
}

/**
 * Parses and checks the JSON of a header: types, shapes, and that the tensors tile the file's data exactly.
 * @param dataBegin offset of the first data byte
 * @param fileBytes size of the whole file
 * @throws GradfoldError INVALID_FILE naming the file, the tensor, and the expected and actual bytes.
 */
export function parseHeader(path: string, json: string, dataBegin: number, fileBytes: number): SafetensorsHeader {
  const { __metadata__: metadata, ...entries } = parseJsonObject(`${path}: header`, json);
  const ranges = Object.entries(entries).map(([name, entry]) => parseEntry(path, name, entry));
  ranges.sort((a, b) => a.offsets[0] - b.offsets[0] || a.offsets[1] - b.offsets[1]);

  const tensors = new Map<string, TensorInfo>();
  const dataBytes = fileBytes - dataBegin;
  let covered = 0;
  for (const { info, offsets } of ranges) {
    const [begin, end] = offsets;
    const place = `${path}: tensor ${info.name}`;
    if (begin !== covered) {
      const problem = begin < covered ? 'overlaps the tensor before it' : 'leaves a gap after the tensor before it';
      throw invalid(place, `data_offsets that begin at byte ${covered}`, begin, {
        code: 'INVALID_FILE',
        fix: `it ${problem}`,
      });
    }
    if (end > dataBytes) {
      throw invalid(place, `bytes ${begin} to ${end} of the data`, `only ${dataBytes} bytes of data`, {
        code: 'INVALID_FILE',
        fix: 'the file is truncated; copy or download it again',
      });
    }
    covered = end;
    tensors.set(info.name, { ...info, begin: dataBegin + begin });
  }
  if (covered !== dataBytes) {
    throw invalid(path, `${covered} bytes of data`, dataBytes, {
      code: 'INVALID_FILE',
      fix: 'the file goes on after its last tensor',
    });
  }
  return { metadata: (metadata ?? {}) as Record<string, string>, tensors };
}

interface Range {
  info: Omit<TensorInfo, 'begin'>;
  offsets: [begin: number, end: number];
}

function parseEntry(path: string, name: string, entry: unknown): Range {
  const place = `${path}: tensor ${name}`;
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw invalid(`${place}: dtype`, `one of ${Object.keys(DTYPE_BYTES).join(', ')}`, dtype, { code: 'INVALID_FILE' });
  }
  if (!isCounts(shape)) {
    throw invalid(`${place}: shape`, 'an array of sizes', shape, { code: 'INVALID_FILE' });
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw invalid(`${place}: data_offsets`, 'two byte offsets', offsets, { code: 'INVALID_FILE' });
  }
  const size = shape.reduce((a, b) => a * b, 1);
  const [begin, end] = offsets;
  if (end - begin !== size * DTYPE_BYTES[dtype]) {
    const expected = `${size * DTYPE_BYTES[dtype]} bytes (${dtype} [${shape.join(', ')}])`;
    throw invalid(`${place}: data_offsets`, expected, end - begin, { code: 'INVALID_FILE' });
  }
  return { info: { name, dtype, shape, size }, offsets: [begin, end] };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** A header for tensors laid end to end in the given order, with its length in front and its data 8-byte aligned. */
export function formatHeader(
  tensors: readonly { name: string; dtype: string; shape: readonly number[] }[],
  metadata: Record<string, string>,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20, 8 + text.length); // padded with spaces
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}
