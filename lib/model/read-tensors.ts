import type { EngineVector } from '../backend/types.ts';
import { invalid } from '../check.ts';
import type { ParameterLayout } from './layout.ts';
import type { SafetensorsFile } from './safetensors.ts';

/**
 * Fills a vector from the tensors of one or several files, a chunk at a time. Nothing is written before all names and
 * shapes have been checked.
 * @param place what the files are called in messages
 * @param nameOf the layout's name of a tensor in a file, or null for one that is passed over; default: its own name
 * @throws GradfoldError INVALID_FILE naming a tensor that is missing, unknown, or of another shape.
 */
export async function readTensors(
  place: string,
  files: readonly SafetensorsFile[],
  layout: ParameterLayout,
  into: EngineVector,
  options: { nameOf?: (name: string) => string | null; signal?: AbortSignal } = {},
): Promise<void> {
  const { nameOf = (name) => name, signal } = options;
  const known = new Set(layout.slots.map(({ name }) => name));
  const found = new Map<string, { file: SafetensorsFile; name: string; shape: readonly number[] }>();
  for (const file of files) {
    for (const [name, { shape }] of file.tensors) {
      const slotName = nameOf(name);
      if (slotName === null) continue;
      if (!known.has(slotName)) {
        throw invalid(`${file.path}: tensor ${name}`, 'a tensor of this model', 'an unknown one', {
          code: 'INVALID_FILE',
          fix: 'its config does not describe this checkpoint',
        });
      }
      found.set(slotName, { file, name, shape });
    }
  }
  for (const { name, shape } of layout.slots) {
    const tensor = found.get(name);
    if (!tensor) {
      throw invalid(`${place}: tensor ${name}`, `shape [${shape.join(', ')}]`, 'no such tensor', {
        code: 'INVALID_FILE',
      });
    }
    if (tensor.shape.join() !== shape.join()) {
      throw invalid(`${place}: tensor ${tensor.name}: shape`, `[${shape.join(', ')}]`, `[${tensor.shape.join(', ')}]`, {
        code: 'INVALID_FILE',
      });
    }
  }
  for (const { name, offset } of layout.slots) {
    const { file, name: nameInFile } = found.get(name)!;
    await file.readChunks(nameInFile, (values, from) => {
      signal?.throwIfAborted();
      into.write(offset + from, values);
    });
  }
}
