import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTemporary, writeTextAtomically } from '../atomic-file.ts';
import { GradfoldError } from '../errors.ts';

/** What a stage reports of itself: kept in its stamp and in the run's record. */
export type Facts = Record<string, number | string | boolean | null | number[]>;

/** One step of a pipeline: files in, files out. */
export interface Stage<Context> {
  name: string;
  /** Names of earlier stages whose outputs it reads. */
  inputs: string[];
  /** Paths relative to the run's folder: files, or folders ending in '/'. */
  outputs: string[];
  /** Paths of what it needs to go on after a kill: removed when it is finished. */
  scratch?: string[];
  /** Everything else that its result depends on. */
  config: unknown;
  /** May find outputs that an interrupted run of the same stage left: resume from them or overwrite them. */
  run(context: Context, progress: StageProgress): Promise<Facts>;
}

export type StageProgress = (done: number, total: number, unit: string) => void;

export type RunEvent =
  | { kind: 'start'; stage: string; index: number; count: number }
  | { kind: 'progress'; stage: string; done: number; total: number; unit: string }
  | { kind: 'finish'; stage: string; index: number; count: number; seconds: number; skipped: boolean; facts: Facts }
  | { kind: 'note'; message: string };

/** The proof that a stage is finished, and what it took. */
export interface Stamp {
  hash: string;
  seconds: number;
  /** It was interrupted before, so `seconds` is the last part only. */
  resumed: boolean;
  finished: string;
  facts: Facts;
}

/**
 * Runs stages in order. A stage whose stamp holds the hash of its configuration and of its inputs' hashes, and whose
 * outputs are there, is skipped; one that was interrupted finds its partial outputs; anything else starts clean.
 * @returns the stamp of every stage
 * @throws the signal's reason when aborted; what a stage throws otherwise
 */
export async function runStages<Context>(
  stages: readonly Stage<Context>[],
  context: Context,
  options: { dir: string; version: string; signal?: AbortSignal; onEvent?: (event: RunEvent) => void },
): Promise<Record<string, Stamp>> {
  const { dir, version, signal, onEvent = () => undefined } = options;
  const stamps: Record<string, Stamp> = {};
  const count = stages.length;
  for (const [index, stage] of stages.entries()) {
    signal?.throwIfAborted();
    const { name } = stage;
    const hash = hashOf({
      version,
      name,
      config: stage.config,
      inputs: stage.inputs.map((input) => stamps[input].hash),
    });
    const done = await readStamp(dir, name);
    if (done?.hash === hash && (await allExist(dir, stage.outputs))) {
      stamps[name] = done;
      onEvent({ kind: 'finish', stage: name, index, count, seconds: done.seconds, skipped: true, facts: done.facts });
      continue;
    }
    const resumed = await prepare(dir, stage, hash);
    onEvent({ kind: 'start', stage: name, index, count });
    const start = performance.now();
    const facts = await stage.run(context, (at, total, unit) => {
      onEvent({ kind: 'progress', stage: name, done: at, total, unit });
    });
    signal?.throwIfAborted();
    if (!(await allExist(dir, stage.outputs))) {
      throw new GradfoldError(
        'IO',
        `stage ${name}: expected ${stage.outputs.join(', ')} in ${dir}, not all were written`,
      );
    }
    const seconds = (performance.now() - start) / 1000;
    const stamp: Stamp = { hash, seconds, resumed, finished: new Date().toISOString(), facts };
    await writeTextAtomically(stampPath(dir, name), `${JSON.stringify(stamp, null, 2)}\n`);
    for (const path of stage.scratch ?? []) await rm(join(dir, path), { recursive: true, force: true });
    await rm(pendingPath(dir, name), { force: true });
    stamps[name] = stamp;
    onEvent({ kind: 'finish', stage: name, index, count, seconds, skipped: false, facts });
  }
  return stamps;
}

/** SHA-256 of a value's JSON with object keys sorted. */
export function hashOf(value: unknown): string {
  const canonical = JSON.stringify(value, (_, x: unknown) =>
    x !== null && typeof x === 'object' && !Array.isArray(x)
      ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1)))
      : x,
  );
  return createHash('sha256').update(canonical).digest('hex');
}

/** Marks the stage as under way; keeps partial outputs only when they belong to the same hash. */
async function prepare<Context>(dir: string, stage: Stage<Context>, hash: string): Promise<boolean> {
  const pending = await readText(pendingPath(dir, stage.name));
  const resumed = pending?.trim() === hash;
  await mkdir(join(dir, 'stamps'), { recursive: true });
  await rm(stampPath(dir, stage.name), { force: true });
  if (!resumed) {
    for (const path of [...stage.outputs, ...(stage.scratch ?? [])]) {
      await rm(join(dir, path), { recursive: true, force: true });
    }
    await writeTextAtomically(pendingPath(dir, stage.name), `${hash}\n`);
  }
  for (const output of stage.outputs) {
    const isFolder = output.endsWith('/');
    const folder = isFolder ? join(dir, output) : dirname(join(dir, output));
    await mkdir(folder, { recursive: true });
    await removeTemporary(folder, isFolder ? undefined : basename(output));
  }
  return resumed;
}

/** The stamp of a finished stage, if it has one. */
export async function readStamp(dir: string, name: string): Promise<Stamp | undefined> {
  const text = await readText(stampPath(dir, name));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Stamp;
  } catch {
    return undefined; // an unreadable stamp proves nothing: the stage runs again
  }
}

const stampPath = (dir: string, name: string): string => join(dir, 'stamps', `${name}.json`);
const pendingPath = (dir: string, name: string): string => join(dir, 'stamps', `${name}.pending`);

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function allExist(dir: string, outputs: string[]): Promise<boolean> {
  const checks = await Promise.all(
    outputs.map((output) =>
      access(join(dir, output)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return checks.every(Boolean);
}
