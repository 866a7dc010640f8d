import type { ParameterLayout } from '../../model/layout.ts';
import type { ParameterVector } from '../../model/parameter-vector.ts';
import { readTensors } from '../../model/read-tensors.ts';
import { SafetensorsFile, writeSafetensors } from '../../model/safetensors.ts';

/** Writes several vectors into one safetensors file, atomically and exactly: tensors are called `<name>/<tensor>`. */
export async function saveVectors(path: string, vectors: Readonly<Record<string, ParameterVector>>): Promise<void> {
  const tensors = Object.entries(vectors).flatMap(([name, vector]) => vector.tensorSources(`${name}/`));
  await writeSafetensors(path, tensors);
}

/** Overwrites vectors with what `saveVectors` wrote. */
export async function loadVectors(
  path: string,
  vectors: Readonly<Record<string, ParameterVector>>,
  layout: ParameterLayout,
): Promise<void> {
  const file = await SafetensorsFile.open(path);
  try {
    for (const [name, { engine }] of Object.entries(vectors)) {
      const prefix = `${name}/`;
      const nameOf = (tensor: string) => (tensor.startsWith(prefix) ? tensor.slice(prefix.length) : null);
      await readTensors(`${path}: ${prefix}`, [file], layout, engine, { nameOf });
    }
  } finally {
    await file.close();
  }
}
