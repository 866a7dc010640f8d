import type { Backend, EngineVector, FloatArray } from '../backend/types.ts';
import { checkFinite, checkList, checkObject, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import type { ParameterLayout } from './layout.ts';
import { release, releaseWhenCollected } from './release.ts';
import { SafetensorsFile, writeSafetensors, type TensorSource } from './safetensors.ts';
import { readTensors } from './read-tensors.ts';

/** What two vectors must share to be used together: the opened backend, and the names and shapes of their tensors. */
export interface ParameterSpace {
  backend: Backend;
  layout: ParameterLayout;
  /** The model's type, for messages. */
  name: string;
}

/** One of a vector's tensors, read in the precision that the vector has. */
interface VectorTensor extends TensorSource {
  read(offset: number, length: number): FloatArray;
}

/** A vector with one entry for each parameter of a model, living on the model's backend. */
export class ParameterVector {
  readonly #space: ParameterSpace;
  readonly #engine: EngineVector;
  /** The model whose live parameters these are; keeps it from being collected. */
  readonly #model: object | undefined;
  #disposed = false;

  /** @internal LanguageModel.vector() is the public way in. */
  constructor(space: ParameterSpace, engine: EngineVector, model?: object) {
    this.#space = space;
    this.#engine = engine;
    this.#model = model;
    if (!model) releaseWhenCollected(this, engine);
  }

  /** Number of entries. */
  get length(): number {
    return this.#space.layout.length;
  }

  /** @internal the backend's vector */
  get engine(): EngineVector {
    if (this.#disposed) throw new GradfoldError('DISPOSED', 'this parameter vector was disposed of');
    return this.#engine;
  }

  copy(): ParameterVector {
    return new ParameterVector(this.#space, this.engine.copy());
  }

  /** Sets every entry to x. */
  fill(x: number): void {
    this.engine.fill(checkFinite('x', x));
  }

  copyFrom(x: ParameterVector): void {
    this.engine.copyFrom(ParameterVector.engineOf(x, this.#space, 'x'));
  }

  /** this *= a */
  scale(a: number): void {
    this.engine.scale(checkFinite('a', a));
  }

  /** this += a x */
  axpy(a: number, x: ParameterVector): void {
    this.engine.axpy(checkFinite('a', a), ParameterVector.engineOf(x, this.#space, 'x'));
  }

  /** ⟨this, x⟩, accumulated in float64. */
  dot(x: ParameterVector): number {
    return this.engine.dot(ParameterVector.engineOf(x, this.#space, 'x'));
  }

  /** ‖this‖₂ */
  norm(): number {
    return Math.sqrt(this.engine.dot(this.engine));
  }

  /** Copies of all tensors by name, row-major: Float64Array on the reference backend, Float32Array elsewhere. */
  toRecord(): Record<string, FloatArray> {
    return Object.fromEntries(
      this.#space.layout.slots.map(({ name, offset, size }) => [name, this.engine.read(offset, size)]),
    );
  }

  /**
   * Overwrites all entries with the tensors of a record.
   * @throws GradfoldError INVALID_ARGUMENT naming a missing or unknown tensor, or one of another size.
   */
  setFrom(record: Readonly<Record<string, ArrayLike<number>>>): void {
    checkObject('record', record);
    const { slots } = this.#space.layout;
    const known = new Set(slots.map(({ name }) => name));
    for (const name of Object.keys(record)) {
      if (!known.has(name)) throw invalid(`tensor ${name}`, `a tensor name of this ${this.#space.name} model`, name);
    }
    for (const { name, shape, size } of slots) {
      const values = Object.hasOwn(record, name) ? record[name] : undefined;
      const expected = `${size} values ([${shape.join(', ')}])`;
      if (values === undefined) throw invalid(`tensor ${name}`, expected, undefined);
      checkList(`tensor ${name}`, values);
      if (values.length !== size) throw invalid(`tensor ${name}`, expected, values.length);
    }
    for (const { name, offset } of slots) this.engine.write(offset, record[name]);
  }

  /** Writes a safetensors file, atomically and exactly: F64 on the reference backend, F32 elsewhere. */
  async save(path: string): Promise<void> {
    await writeSafetensors(path, this.tensorSources());
  }

  /**
   * Overwrites all entries from a safetensors file, as `save` writes it.
   * @throws GradfoldError INVALID_FILE naming a tensor that is missing, unknown, or of another shape.
   */
  async load(path: string): Promise<void> {
    const file = await SafetensorsFile.open(path);
    try {
      await readTensors(path, [file], this.#space.layout, this.engine);
    } finally {
      await file.close();
    }
  }

  /** Frees the vector's memory; also done by garbage collection. */
  dispose(): void {
    if (this.#model)
      throw invalid('dispose', 'a vector of its own', "a model's parameters", { fix: 'dispose the model' });
    if (this.#disposed) return;
    this.#disposed = true;
    release(this, this.#engine);
  }

  /** @internal The vector's tensors as they are written to files, names with a prefix. */
  tensorSources(prefix = ''): VectorTensor[] {
    const dtype = this.#space.backend.name === 'reference' ? 'F64' : 'F32';
    return this.#space.layout.slots.map(({ name, shape, offset }) => ({
      name: prefix + name,
      shape,
      dtype,
      read: (from, length) => this.engine.read(offset + from, length),
    }));
  }

  /**
   * @internal The backend's vector behind an argument, for use in a given space.
   * @param options.writable it will be overwritten, which a model's live parameters must not be
   * @throws GradfoldError INVALID_ARGUMENT for anything but a vector, or naming both spaces when they differ.
   */
  static engineOf(
    vector: unknown,
    space: ParameterSpace,
    name: string,
    options: { writable?: boolean } = {},
  ): EngineVector {
    if (!(vector instanceof ParameterVector)) throw invalid(name, `a vector of ${describe(space)}`, vector);
    const own = vector.#space;
    if (!sameSpace(own, space)) {
      const other = own.backend.name === space.backend.name && own.backend !== space.backend;
      throw new GradfoldError(
        'INVALID_ARGUMENT',
        `${name}: expected a vector of ${describe(space)}, got one of ${describe(own)}${other ? ' opened separately' : ''}`,
      );
    }
    if (options.writable && vector.#model) throw invalid(name, 'a vector of its own', "the model's parameters");
    return vector.engine;
  }
}

function describe({ name, layout, backend }: ParameterSpace): string {
  return `a ${name} model (${layout.length} parameters) on ${backend.name}`;
}

function sameSpace(a: ParameterSpace, b: ParameterSpace): boolean {
  if (a.backend !== b.backend) return false;
  if (a.layout === b.layout) return true;
  const [x, y] = [a.layout.slots, b.layout.slots];
  return (
    x.length === y.length && x.every((slot, i) => slot.name === y[i].name && slot.shape.join() === y[i].shape.join())
  );
}
