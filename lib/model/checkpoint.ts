import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { syncDirectory, temporaryName, writeTextAtomically } from '../atomic-file.ts';
import { fileError, readJsonObject } from '../files.ts';
import type { EngineVector } from '../backend/types.ts';
import type { ModelConfig } from './config.ts';
import type { ParameterLayout } from './layout.ts';
import { readTensors } from './read-tensors.ts';
import { SafetensorsFile, writeSafetensors, type TensorSource } from './safetensors.ts';

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** Weights above this go into several files. */
const MAX_SHARD_BYTES = 4 * 2 ** 30;

/** The configuration of a Hugging Face model directory, unchecked. */
export async function readConfig(directory: string): Promise<ModelConfig> {
  return (await readJsonObject(join(directory, CONFIG))) as unknown as ModelConfig;
}

/**
 * Reads the weights of a Hugging Face model directory: model.safetensors, or the files that
 * model.safetensors.index.json names.
 * @throws GradfoldError NOT_FOUND when there are none; INVALID_FILE naming the tensor that is missing, unknown or of
 * another shape.
 */
export async function readWeights(
  directory: string,
  layout: ParameterLayout,
  parameters: EngineVector,
  options: { nameOf: (name: string) => string | null; signal?: AbortSignal },
): Promise<void> {
  const files: SafetensorsFile[] = [];
  try {
    for (const name of await weightFiles(directory)) files.push(await SafetensorsFile.open(join(directory, name)));
    await readTensors(directory, files, layout, parameters, options);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function weightFiles(directory: string): Promise<string[]> {
  if (await exists(join(directory, WEIGHTS))) return [WEIGHTS];
  const index = join(directory, INDEX);
  if (!(await exists(index))) {
    throw new GradfoldError('NOT_FOUND', `${directory}: expected ${WEIGHTS} or ${INDEX}, found neither`);
  }
  const { weight_map: map } = await readJsonObject(index);
  const names = new Set(typeof map === 'object' && map !== null ? Object.values(map) : []);
  if (names.size === 0)
    throw invalid(`${index}: weight_map`, 'tensor names and their files', map, { code: 'INVALID_FILE' });
  for (const name of names) {
    if (typeof name !== 'string' || /[/\\]/.test(name)) {
      throw invalid(`${index}: weight_map`, 'names of files in the same directory', name, { code: 'INVALID_FILE' });
    }
  }
  return [...names] as string[];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a Hugging Face model directory, weights in float32. A new directory
 * appears complete or not at all; in one that is there already the files are replaced, config.json last, and others
 * are left alone.
 */
export async function writeCheckpoint(
  directory: string,
  config: Record<string, unknown>,
  tensors: readonly TensorSource[],
  options: { maxShardBytes?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const target = resolve(directory);
  const staging = temporaryName(target);
  try {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(staging);
    try {
      await writeFiles(staging, config, tensors, options);
      await publish(staging, target);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } catch (cause) {
    throw fileError('write', directory, cause);
  }
}

async function writeFiles(
  directory: string,
  config: Record<string, unknown>,
  tensors: readonly TensorSource[],
  { maxShardBytes = MAX_SHARD_BYTES, signal }: { maxShardBytes?: number; signal?: AbortSignal },
): Promise<void> {
  await writeWeights(directory, tensors, maxShardBytes, signal);
  signal?.throwIfAborted();
  const json = `${JSON.stringify(config, null, 2)}\n`;
  await writeTextAtomically(join(directory, CONFIG), json);
}

async function writeWeights(
  directory: string,
  tensors: readonly TensorSource[],
  maxShardBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  const shards = splitShards(tensors, maxShardBytes);
  const padded = (n: number) => String(n).padStart(5, '0');
  const names = shards.map((_, i) =>
    shards.length === 1 ? WEIGHTS : `model-${padded(i + 1)}-of-${padded(shards.length)}.safetensors`,
  );
  for (const [i, shard] of shards.entries()) {
    signal?.throwIfAborted();
    await writeSafetensors(join(directory, names[i]), shard);
  }
  if (shards.length === 1) return;
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + float32Bytes(tensor), 0) },
    weight_map: Object.fromEntries(shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]]))),
  };
  await writeTextAtomically(join(directory, INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

/** Consecutive tensors together up to the limit; a tensor above it has a file of its own. */
function splitShards(tensors: readonly TensorSource[], maxBytes: number): TensorSource[][] {
  const shards: TensorSource[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + float32Bytes(tensor) > maxBytes) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)!.push({ ...tensor, dtype: 'F32' });
    bytes += float32Bytes(tensor);
  }
  return shards;
}

function float32Bytes({ shape }: TensorSource): number {
  return 4 * shape.reduce((a, b) => a * b, 1);
}

async function publish(staging: string, directory: string): Promise<void> {
  await syncDirectory(staging);
  try {
    await rename(staging, directory);
  } catch (cause) {
    if (!(await exists(directory))) throw cause;
    // The directory holds files already: weights go first, so that config.json never describes missing ones.
    const names = await readdir(staging);
    names.sort((a, b) => Number(a === CONFIG) - Number(b === CONFIG) || Number(a === INDEX) - Number(b === INDEX));
    for (const name of names) await rename(join(staging, name), join(directory, name));
    await rm(join(directory, names.includes(WEIGHTS) ? INDEX : WEIGHTS), { force: true });
    await syncDirectory(directory);
  }
  await syncDirectory(dirname(directory));
}
