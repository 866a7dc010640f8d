import type { ParameterLayout } from '../../model/layout.ts';
import type { Variable } from './tape.ts';

/** Parameters on the tape by their checkpoint names: matrices as they are stored, vectors as [1, d]. */
export type Parameters = ReadonlyMap<string, Variable>;

/** Puts a flat parameter vector on the tape, as leaves or as constants, sharing its memory. */
export function parametersOf(
  data: Float64Array,
  layout: ParameterLayout,
  kind: (rows: number, columns: number, data: Float64Array) => Variable,
): Parameters {
  return new Map(
    layout.slots.map(({ name, shape, offset, size }) => {
      const columns = shape[shape.length - 1];
      return [name, kind(size / columns, columns, data.subarray(offset, offset + size))];
    }),
  );
}

/** The parameter of a name, which must be there. */
export function tensor(parameters: Parameters, name: string): Variable {
  const found = parameters.get(name);
  if (!found) throw new RangeError(`no parameter ${name}`);
  return found;
}

/** Tensors end to end, in layout order. */
export function flatten(tensors: readonly Variable[], length: number): Float64Array {
  const flat = new Float64Array(length);
  let offset = 0;
  for (const { data } of tensors) {
    flat.set(data, offset);
    offset += data.length;
  }
  return flat;
}
