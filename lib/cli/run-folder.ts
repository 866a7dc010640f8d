import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporary, writeTextAtomically } from '../atomic-file.ts';
import { GradfoldError } from '../errors.ts';
import { fileError, readJsonObject } from '../files.ts';
import { checkSameRun, type Fingerprint } from '../train/fingerprint.ts';

/** A folder that a command fills step by step, and goes on with after a kill. */
export interface RunFolder {
  path: string;
  /** Names in it that the command writes; whatever else lies there is left alone. */
  contents: readonly string[];
  /** The file, by its path in the folder, that is written last. */
  finished: string;
  /** What the result depends on. */
  fingerprint: Fingerprint;
}

/** Says what the folder's contents were made with; written before them. */
export const RUN_FILE = 'command.json';

/**
 * Finds out what is left to do in a folder, and makes it ready for that. A run of the same fingerprint is gone on with,
 * with `force` too, so that the very same command may follow a kill; one that is finished is begun anew with `force`.
 * @returns whether the same run is finished already
 * @throws GradfoldError INVALID_ARGUMENT without `force`: for another run, saying what differs, or for files that are no
 *   run's; IO
 */
export async function claimRun(run: RunFolder, force: boolean): Promise<{ finished: boolean }> {
  const { path, contents, fingerprint } = run;
  const record = join(path, RUN_FILE);
  if (existsSync(record)) {
    const saved = (await readJsonObject(record)).fingerprint as Fingerprint;
    if (!force) checkSameRun(path, saved, fingerprint);
    const finished = existsSync(join(path, run.finished));
    if (!force || (!finished && isSame(saved, fingerprint))) {
      for (const name of contents) await removeTemporary(path, name);
      return { finished };
    }
  } else {
    const there = contents.find((name) => existsSync(join(path, name)));
    if (there !== undefined && !force) {
      throw new GradfoldError(
        'INVALID_ARGUMENT',
        `${join(path, there)} exists already; give another --out, or --force to replace it`,
      );
    }
  }
  try {
    // The record first: what a kill leaves of the others then belongs to no run, and is not gone on with.
    for (const name of [RUN_FILE, ...contents]) await rm(join(path, name), { recursive: true, force: true });
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw fileError('write', path, cause);
  }
  await writeTextAtomically(record, `${JSON.stringify({ format: 1, fingerprint }, null, 2)}\n`);
  return { finished: false };
}

function isSame(one: Fingerprint, other: Fingerprint): boolean {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].every((name) => one[name] === other[name]);
}
