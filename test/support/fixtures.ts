import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FloatArray } from '../../lib/backend/types.ts';
import type { Batch } from '../../lib/data/batch.ts';
import { SafetensorsFile } from '../../lib/model/safetensors.ts';

/** A batch as the fixtures' batch.json holds it: rows of equal length, padded on the right. */
export interface FixtureBatch {
  input_ids: number[][];
  attention_mask: number[][];
  /** None where rows are rated. */
  labels?: number[][];
  sample_weights?: number[];
  doc_ids?: number[][];
}

export type TensorRecord = Record<string, FloatArray>;

/** One folder of test/fixtures; its README states its definitions. */
export class Fixture {
  readonly modelDirectory: string;
  readonly #root: string;

  constructor(name: string) {
    this.#root = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
    this.modelDirectory = `${this.#root}/model`;
  }

  /** A JSON file: 'batch' (one FixtureBatch, or several by name) or 'expected'. */
  async json<T>(name: 'batch' | 'expected'): Promise<T> {
    return JSON.parse(await readFile(`${this.#root}/${name}.json`, 'utf8')) as T;
  }

  /** The scalar head of the scorer fixture. */
  head(): Promise<TensorRecord> {
    return this.#read('head', '');
  }

  /** The tensors `<prefix>/<tensor name>` of a file, by tensor name. */
  tensors(file: 'expected' | 'vectors', prefix: string): Promise<TensorRecord> {
    return this.#read(file, `${prefix}/`);
  }

  async #read(file: string, prefix: string): Promise<TensorRecord> {
    const opened = await SafetensorsFile.open(`${this.#root}/${file}.safetensors`);
    try {
      const record: TensorRecord = {};
      for (const name of opened.tensors.keys()) {
        if (name.startsWith(prefix)) record[name.slice(prefix.length)] = await opened.read(name);
      }
      return record;
    } finally {
      await opened.close();
    }
  }
}

export function toBatch(fixture: FixtureBatch): Batch {
  return {
    batch: fixture.input_ids.length,
    time: fixture.input_ids[0].length,
    inputIds: Int32Array.from(fixture.input_ids.flat()),
    labels: Int32Array.from((fixture.labels ?? fixture.input_ids).flat()),
    attentionMask: Uint8Array.from(fixture.attention_mask.flat()),
    ...(fixture.doc_ids && { documentIds: Int32Array.from(fixture.doc_ids.flat()) }),
  };
}

/** ‖a − b‖ / ‖b‖, where 0/0 is 0. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return norm(difference(a, b)) / (norm(b) || 1);
}

/**
 * The largest ‖a − b‖ / ‖b‖ of a tensor, over tensors of the same names. A tensor whose norm is below `floor` times
 * that of all of them together is measured against that instead.
 */
export function largestRelativeError(a: TensorRecord, b: TensorRecord, floor = 0): number {
  sameNames(a, b);
  const least = floor * Math.hypot(...Object.values(b).map(norm));
  const errors = Object.keys(b).map(
    (name) => norm(difference(a[name], b[name])) / (Math.max(norm(b[name]), least) || 1),
  );
  return Math.max(...errors);
}

/** ‖a − b‖ over all tensors together. */
export function distance(a: TensorRecord, b: TensorRecord): number {
  sameNames(a, b);
  return Math.hypot(...Object.keys(b).map((name) => norm(difference(a[name], b[name]))));
}

export function norm(x: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += x[i] * x[i];
  return Math.sqrt(squares);
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  if (a.length !== b.length) throw new Error(`${a.length} values beside ${b.length}`);
  return Float64Array.from({ length: b.length }, (_, i) => a[i] - b[i]);
}

function sameNames(a: TensorRecord, b: TensorRecord): void {
  const names = [a, b].map((record) => Object.keys(record).sort().join());
  if (names[0] !== names[1]) throw new Error(`different tensors: ${names[0]} beside ${names[1]}`);
}
