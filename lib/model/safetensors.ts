import { open, type FileHandle } from 'node:fs/promises';
import type { FloatArray } from '../backend/types.ts';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { writeAtomically } from '../atomic-file.ts';
import { fileError } from '../files.ts';
import {
  DTYPE_BYTES,
  formatHeader,
  parseHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from './safetensors-header.ts';

/** Elements read or written at a time where a tensor is streamed. */
export const CHUNK_ELEMENTS = 2 ** 22;
/** One read or write call moves less than 2 GiB. */
const IO_BYTES = 2 ** 30;
/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000;

/** How the bytes of a floating-point type become numbers. */
const DECODERS: Record<string, (bytes: ArrayBuffer) => FloatArray> = {
  F64: (bytes) => new Float64Array(bytes),
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), halfToFloat),
  BF16: (bytes) => {
    const halves = new Uint16Array(bytes);
    return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
  },
};

/** IEEE 754 binary16: sign, 5 exponent bits, 10 fraction bits. */
function halfToFloat(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * An open safetensors file. Only the header is held; tensors are read by position, whole or in parts, so the file may
 * be larger than memory.
 */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, header: SafetensorsHeader) {
    this.path = path;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#file = file;
  }

  /** @throws GradfoldError NOT_FOUND, IO, or INVALID_FILE (truncated, bad header, overlapping tensors …). */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw fileError('read', path, cause);
    });
    try {
      return new SafetensorsFile(path, file, await readHeader(path, file));
    } catch (cause) {
      await file.close();
      throw fileError('read', path, cause);
    }
  }

  /**
   * Elements [offset, offset + length) of a tensor in row-major order; Float64Array for F64, Float32Array for F32, F16
   * and BF16.
   * @throws GradfoldError INVALID_FILE for a name that is not there; UNSUPPORTED for a type that is not floating point.
   */
  async read(name: string, offset = 0, length?: number): Promise<FloatArray> {
    const tensor = this.tensors.get(name);
    if (!tensor) throw invalid(`${this.path}: tensor ${name}`, 'to be in the file', 'none', { code: 'INVALID_FILE' });
    const decode = Object.hasOwn(DECODERS, tensor.dtype) ? DECODERS[tensor.dtype] : undefined;
    if (!decode) {
      throw invalid(`${this.path}: tensor ${name}: dtype`, Object.keys(DECODERS).join(', '), tensor.dtype, {
        code: 'UNSUPPORTED',
      });
    }
    const width = DTYPE_BYTES[tensor.dtype];
    const bytes = new Uint8Array((length ?? tensor.size - offset) * width);
    await readFully(this.path, this.#file, bytes, tensor.begin + offset * width);
    return decode(bytes.buffer);
  }

  /** Hands a tensor over in parts of at most CHUNK_ELEMENTS elements, in order. */
  async readChunks(name: string, use: (values: FloatArray, offset: number) => void): Promise<void> {
    const size = this.tensors.get(name)?.size ?? 1; // an unknown name is reported by read
    for (let offset = 0; offset < size; offset += CHUNK_ELEMENTS) {
      use(await this.read(name, offset, Math.min(CHUNK_ELEMENTS, size - offset)), offset);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readHeader(path: string, file: FileHandle): Promise<SafetensorsHeader> {
  const { size: fileBytes } = await file.stat();
  const prefix = new Uint8Array(8);
  if (fileBytes < prefix.length) {
    throw invalid(path, 'a safetensors file of at least 8 bytes', fileBytes, { code: 'INVALID_FILE' });
  }
  await readFully(path, file, prefix, 0);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) {
    throw invalid(`${path}: header`, `at most ${MAX_HEADER_BYTES} bytes`, headerBytes, {
      code: 'INVALID_FILE',
      fix: 'it is not a safetensors file',
    });
  }
  const dataBegin = prefix.length + headerBytes;
  if (dataBegin > fileBytes) {
    throw invalid(`${path}: header`, `${headerBytes} bytes`, fileBytes - prefix.length, {
      code: 'INVALID_FILE',
      fix: 'the file is truncated; copy or download it again',
    });
  }
  const header = new Uint8Array(headerBytes);
  await readFully(path, file, header, prefix.length);
  return parseHeader(path, new TextDecoder().decode(header), dataBegin, fileBytes);
}

async function readFully(path: string, file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, Math.min(IO_BYTES, into.length - done), position + done);
    if (bytesRead === 0) {
      throw new GradfoldError('INVALID_FILE', `${path}: ended at byte ${position + done} while it was being read`);
    }
    done += bytesRead;
  }
}

/** A tensor to be written; `read` gives elements [offset, offset + length) in row-major order. */
export interface TensorSource {
  name: string;
  shape: readonly number[];
  dtype: 'F32' | 'F64';
  read(offset: number, length: number): ArrayLike<number>;
}

/**
 * Writes a safetensors file atomically, a chunk at a time. Its metadata hold {format: 'pt'}, which Hugging Face
 * transformers asks for, and whatever is given.
 * @throws GradfoldError IO (disk full, no permission), NOT_FOUND (no such directory); the old file then stays.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Record<string, string> = {},
): Promise<void> {
  await writeAtomically(path, async (file) => {
    await writeFully(file, formatHeader(tensors, { format: 'pt', ...metadata }));
    for (const tensor of tensors) {
      const size = tensor.shape.reduce((a, b) => a * b, 1);
      const Elements = tensor.dtype === 'F32' ? Float32Array : Float64Array;
      for (let offset = 0; offset < size; offset += CHUNK_ELEMENTS) {
        const read = tensor.read(offset, Math.min(CHUNK_ELEMENTS, size - offset));
        const values = read instanceof Elements ? read : Elements.from(read);
        await writeFully(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
    }
  });
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}
