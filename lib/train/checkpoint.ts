import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../check.ts';
import { syncDirectory, writeTextAtomically } from '../atomic-file.ts';
import { fileError, readJsonObject } from '../files.ts';
import type { Fingerprint } from './fingerprint.ts';

/** `trainer.json` of a checkpoint: how far the run has come, and what it was started with. */
export type TrainerRecord<State extends { step: number } = { step: number }> = State & {
  format: 1;
  fingerprint: Fingerprint;
};

export interface SavedCheckpoint<State> {
  path: string;
  state: State;
  fingerprint: Fingerprint;
}

/** Checkpoints kept: the one just written, and the one before it. */
const KEPT = 2;
const RECORD_FILE = 'trainer.json';
const NAME = /^step-(\d{6,})$/;

/**
 * Writes the checkpoint `step-000100/` under `directory`: `write` puts model and optimizer into a temporary directory,
 * `trainer.json` follows, everything is flushed to disk, then the directory gets its name. Older checkpoints but one,
 * and what killed processes left behind, are removed.
 */
export async function saveCheckpoint(
  directory: string,
  record: TrainerRecord,
  write: (directory: string) => Promise<void>,
): Promise<void> {
  const name = `step-${String(record.step).padStart(6, '0')}`;
  const temporary = join(directory, `.tmp-${name}`);
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await write(temporary);
    await writeTextAtomically(join(temporary, RECORD_FILE), JSON.stringify(record, null, 2));
    for (const entry of await readdir(temporary, { recursive: true })) await flush(join(temporary, entry));
    await flush(temporary);
    await rename(temporary, join(directory, name));
    await syncDirectory(directory);
    await prune(directory);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError('write', join(directory, name), cause);
  }
}

/**
 * The checkpoint of the most steps under `directory`, or undefined where there is none.
 * @throws GradfoldError INVALID_FILE when its trainer.json is not one.
 */
export async function latestCheckpoint<State extends { step: number }>(
  directory: string,
): Promise<SavedCheckpoint<State> | undefined> {
  const name = (await checkpointNames(directory)).at(-1);
  if (name === undefined) return undefined;
  const path = join(directory, name);
  const record = (await readJsonObject(join(path, RECORD_FILE))) as unknown as TrainerRecord<State>;
  if (record.format !== 1) {
    throw invalid(`${join(path, RECORD_FILE)}: format`, '1', record.format, {
      code: 'INVALID_FILE',
      fix: `delete ${path} to go on from the checkpoint before it`,
    });
  }
  const { format: _, fingerprint, ...state } = record;
  return { path, state: state as unknown as State, fingerprint };
}

/** Names of complete checkpoints, by step. */
async function checkpointNames(directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const step = (name: string) => Number(NAME.exec(name)![1]);
  return (await readdir(directory)).filter((name) => NAME.test(name)).sort((a, b) => step(a) - step(b));
}

async function prune(directory: string): Promise<void> {
  const stale = (await checkpointNames(directory)).slice(0, -KEPT);
  const abandoned = (await readdir(directory)).filter((name) => name.startsWith('.tmp-step-'));
  for (const name of [...stale, ...abandoned]) await rm(join(directory, name), { recursive: true, force: true });
}

/** Forces a file's or directory's contents to disk. */
async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
