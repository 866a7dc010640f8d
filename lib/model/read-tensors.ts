import type { EngineVector } from '../backend/types.ts';
import { invalid } from '../check.ts';
import type { ParameterLayout } from './layout.ts';
import type { SafetensorsFile } from './safetensors.ts';

/**
 * Fills a vector from the tensors of one or several files, a chunk at a time. Nothing is written before all names and
 * shapes have been checked.
 * @param place what the files are called in messages
 * @param prefix of the tensors' names in the files; names without it are passed over
 * @param ignored names that may be there and are not read
 * @throws GradfoldError INVALID_FILE naming a tensor that is missing, unknown, or of another shape.
 */
export async function readTensors(
  place: string,
  files: readonly SafetensorsFile[],
  layout: ParameterLayout,
  into: EngineVector,
  options: { prefix?: string; ignored?: (name: string) => boolean; signal?: AbortSignal } = {},
): Promise<void> {
  const { prefix = '', ignored = () => false, signal } = options;
  const known = new Set(layout.slots.map(({ name }) => prefix + name));
  const fileOf = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      if (known.has(name)) fileOf.set(name, file);
      else if (name.startsWith(prefix) && !ignored(name)) {
        throw invalid(`${file.path}: tensor ${name}`, 'a tensor of this model', 'an unknown one', {
          code: 'INVALID_FILE',
          fix: 'its config does not describe this checkpoint',
        });
      }
    }
  }
  for (const { name, shape } of layout.slots) {
    const found = fileOf.get(prefix + name)?.tensors.get(prefix + name);
    if (!found) {
      throw invalid(`${place}: tensor ${prefix + name}`, `shape [${shape.join(', ')}]`, 'no such tensor', {
        code: 'INVALID_FILE',
      });
    }
    if (found.shape.join() !== shape.join()) {
      throw invalid(`${place}: tensor ${found.name}: shape`, `[${shape.join(', ')}]`, `[${found.shape.join(', ')}]`, {
        code: 'INVALID_FILE',
      });
    }
  }
  for (const { name, offset } of layout.slots) {
    await fileOf.get(prefix + name)!.readChunks(prefix + name, (values, from) => {
      signal?.throwIfAborted();
      into.write(offset + from, values);
    });
  }
}
