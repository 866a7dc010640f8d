import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHUNK_ELEMENTS, SafetensorsFile, writeSafetensors, type TensorSource } from '../../lib/model/safetensors.ts';
import { Fixture } from '../support/fixtures.ts';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradfold-'));
  path = join(directory, 'x.safetensors');
});
afterEach(() => rm(directory, { recursive: true }));

function source(name: string, values: Float32Array | Float64Array, shape = [values.length]): TensorSource {
  const dtype = values instanceof Float32Array ? 'F32' : 'F64';
  return { name, shape, dtype, read: (offset, length) => values.subarray(offset, offset + length) };
}

/** A file with any header, right or wrong. */
async function writeRaw(header: object | string, data: Uint8Array): Promise<void> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data]));
}

function bytesOf(array: Uint16Array | Float64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer);
}

describe('safetensors', () => {
  it('reads back what it wrote, bit for bit, with its metadata', async () => {
    const a = Float32Array.of(1, -0, Infinity, 1e-45, 5, 6);
    const b = Float64Array.of(Math.PI, 1e-320);
    await writeSafetensors(path, [source('a', a, [2, 3]), source('b', b)], { note: 'ü' });
    const file = await SafetensorsFile.open(path);
    expect(file.metadata).toEqual({ format: 'pt', note: 'ü' });
    expect(file.tensors.get('a')?.shape).toEqual([2, 3]);
    expect(await file.read('a')).toEqual(a);
    expect(await file.read('b')).toEqual(b);
    expect(await file.read('a', 4, 2)).toEqual(a.slice(4));
    await file.close();
  });

  it('streams a tensor in chunks', async () => {
    const x = Float32Array.from({ length: CHUNK_ELEMENTS + 3 }, (_, i) => i);
    await writeSafetensors(path, [source('small', Float32Array.of(7)), source('x', x)]);
    const file = await SafetensorsFile.open(path);
    const read = new Float32Array(x.length);
    const offsets: number[] = [];
    await file.readChunks('x', (values, offset) => {
      offsets.push(offset);
      read.set(values, offset);
    });
    await file.close();
    expect(offsets).toEqual([0, CHUNK_ELEMENTS]);
    expect(Buffer.compare(Buffer.from(read.buffer), Buffer.from(x.buffer))).toBe(0);
  });

  it('reads a tensor that lies beyond 2 GiB of a sparse file', async () => {
    const far = 2 ** 31 + 8;
    await writeRaw(
      {
        filler: { dtype: 'U8', shape: [far], data_offsets: [0, far] },
        x: { dtype: 'F64', shape: [1], data_offsets: [far, far + 8] },
      },
      new Uint8Array(0),
    );
    const { length: dataBegin } = await readFile(path);
    await truncate(path, dataBegin + far + 8);
    const file = await SafetensorsFile.open(path);
    expect(await file.read('x')).toEqual(Float64Array.of(0));
    await file.close();
  });

  it('converts F16 and BF16 exactly', async () => {
    const f16 = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x3555);
    const bf16 = Uint16Array.of(0x3f80, 0xc049, 0x0001);
    await writeRaw(
      {
        f16: { dtype: 'F16', shape: [7], data_offsets: [0, 14] },
        bf16: { dtype: 'BF16', shape: [3], data_offsets: [14, 20] },
      },
      Buffer.concat([bytesOf(f16), bytesOf(bf16)]),
    );
    const file = await SafetensorsFile.open(path);
    expect([...(await file.read('f16'))]).toEqual([1, -2, 65504, 2 ** -24, -0, Infinity, 0.333251953125]);
    expect([...(await file.read('bf16'))]).toEqual([1, -3.140625, 2 ** -133]);
    await file.close();
  });

  it('names an integer tensor that is asked for as numbers', async () => {
    await writeRaw({ ids: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, bytesOf(BigInt64Array.of(1n)));
    const file = await SafetensorsFile.open(path);
    await expect(file.read('ids')).rejects.toMatchObject({ code: 'UNSUPPORTED', message: /ids: dtype.*got "I64"/ });
    await expect(file.read('nothing')).rejects.toMatchObject({ code: 'INVALID_FILE', message: /tensor nothing/ });
    await file.close();
  });

  const tensor = (begin: number, end: number) => ({ dtype: 'F64', shape: [1], data_offsets: [begin, end] });
  it.each([
    ['overlapping tensors', { a: tensor(0, 8), b: tensor(4, 12) }, 16, /tensor b: .*begin at byte 8, got 4.*overlaps/],
    ['a gap', { a: tensor(0, 8), b: tensor(9, 17) }, 17, /tensor b: .*begin at byte 8, got 9.*gap/],
    ['a truncated tensor', { a: tensor(0, 8), b: tensor(8, 16) }, 11, /tensor b: .*8 to 16.*11 bytes.*truncated/],
    ['trailing bytes', { a: tensor(0, 8) }, 9, /8 bytes of data, got 9/],
    [
      'a range unlike the shape',
      { a: tensor(0, 4) },
      4,
      /tensor a: data_offsets: expected 8 bytes \(F64 \[1\]\), got 4/,
    ],
    ['an unknown type', { a: { dtype: 'F7', shape: [1], data_offsets: [0, 8] } }, 8, /tensor a: dtype.*got "F7"/],
    ['a negative size', { a: { dtype: 'F64', shape: [-1], data_offsets: [0, 8] } }, 8, /tensor a: shape/],
    ['a header that is not JSON', '{"a":', 0, /header: expected a JSON object/],
    ['a header that is a list', '[]', 0, /header: expected a JSON object/],
  ])('names %s', async (_, header, dataBytes, message) => {
    await writeRaw(header, new Uint8Array(dataBytes));
    await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message });
    await expect(SafetensorsFile.open(path)).rejects.toThrow(path);
  });

  it('names a file cut anywhere', async () => {
    const whole = await readFile(join(new Fixture('llama').modelDirectory, 'model.safetensors'));
    for (const length of [0, 7, 8, 100, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, length));
      await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ code: 'INVALID_FILE' });
    }
  });

  it('refuses text as a header too long', async () => {
    await writeFile(path, 'not a safetensors file at all');
    await expect(SafetensorsFile.open(path)).rejects.toThrow(/not a safetensors file/);
  });

  it('names a missing file and a missing directory', async () => {
    await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(writeSafetensors(join(directory, 'no', 'x'), [])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('leaves the old file and nothing else when writing fails half-way', async () => {
    await writeSafetensors(path, [source('a', Float32Array.of(1))]);
    const before = await readFile(path);
    const failing: TensorSource = {
      ...source('a', Float32Array.of(1)),
      read() {
        throw new Error('gone');
      },
    };
    await expect(writeSafetensors(path, [failing])).rejects.toThrow('gone');
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(directory)).toEqual(['x.safetensors']);
  });
});
