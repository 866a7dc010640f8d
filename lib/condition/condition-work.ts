import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeTemporary, syncDirectory, writeTextAtomically } from '../atomic-file.ts';
import { invalid } from '../check.ts';
import { fileError, readJsonObject } from '../files.ts';
import { Journal } from '../journal.ts';
import { checkSameRun, type Fingerprint } from '../train/fingerprint.ts';
import type { ConditionReport } from './condition-into.ts';
import type { ShardCounts } from './condition-shard.ts';

/** What lies in the folder that conditionInto fills. */
export const CONDITION_FILES = {
  conditioned: 'conditioned',
  plain: 'plain',
  hosts: 'hosts.jsonl',
  report: 'condition.json',
} as const;

const STATE = 'state.json';
const JOURNAL = 'shards.journal';
const FORMAT = 1;
const FORCE = 'delete this one (gradfold condition --force does)';

/** The folder under way: what it was started with, and the shards that are done. */
export class ConditionWork {
  readonly dir: string;
  readonly folder: string;
  /** Of the shards that are done, by index. */
  readonly counts = new Map<number, ShardCounts>();
  /** Where all of them are done. */
  report: ConditionReport | null = null;
  readonly #journal: Journal;

  private constructor(dir: string, folder: string, journal: Journal) {
    this.dir = dir;
    this.folder = folder;
    this.#journal = journal;
  }

  /**
   * Makes `dir`.partial, or finds in it the state of the same call. What another call left that has no shard to show for
   * it is thrown away: nothing is lost, and a call that failed can be mended as its error says.
   * @throws GradfoldError INVALID_ARGUMENT for that of another call, or where there is `dir` already; INVALID_FILE; IO
   */
  static async open(dir: string, fingerprint: Fingerprint): Promise<ConditionWork> {
    const folder = `${dir}.partial`;
    if (existsSync(dir)) throw invalid('dir', 'a folder that is not there yet', dir, { fix: 'give another one' });
    await makeFolders(folder);
    let names = await removeTemporary(folder);
    let { journal, entries } = await Journal.open(join(folder, JOURNAL));
    const statePath = join(folder, STATE);
    if (names.includes(STATE)) {
      const state = await readJsonObject(statePath);
      if (state.format !== FORMAT) {
        throw invalid(statePath, `format ${FORMAT}`, state.format, { code: 'INVALID_FILE' });
      }
      try {
        checkSameRun(folder, state.fingerprint as Fingerprint, fingerprint, FORCE);
      } catch (error) {
        await journal.close();
        if (entries.length > 0) throw error;
        await clear(folder);
        await makeFolders(folder);
        ({ journal, entries } = await Journal.open(join(folder, JOURNAL)));
        names = [];
      }
    }
    if (!names.includes(STATE)) {
      await writeTextAtomically(statePath, `${JSON.stringify({ format: FORMAT, fingerprint }, null, 2)}\n`);
    }
    const work = new ConditionWork(dir, folder, journal);
    for (const entry of entries) {
      const { index, counts } = JSON.parse(entry.toString()) as { index: number; counts: ShardCounts };
      work.counts.set(index, counts);
    }
    if (names.includes(CONDITION_FILES.report)) {
      work.report = (await readJsonObject(join(folder, CONDITION_FILES.report))) as unknown as ConditionReport;
    }
    return work;
  }

  /** A shard whose files are written. */
  async add(index: number, counts: ShardCounts): Promise<void> {
    await this.#journal.append(Buffer.from(JSON.stringify({ index, counts })));
    this.counts.set(index, counts);
  }

  /** All shards are written. */
  async complete(report: ConditionReport): Promise<void> {
    const path = join(this.folder, CONDITION_FILES.report);
    await writeTextAtomically(path, `${JSON.stringify(report, null, 2)}\n`);
    this.report = report;
  }

  /** Gives the folder its name. Errors: IO, also when something is there under it. */
  async commit(): Promise<ConditionReport> {
    if (this.counts.values().next().value?.conditioned === null) {
      await rm(join(this.folder, CONDITION_FILES.conditioned), { recursive: true });
    }
    await rename(this.folder, this.dir).catch((error: unknown) => {
      throw fileError('write', this.dir, error);
    });
    await syncDirectory(dirname(this.dir));
    for (const name of [STATE, JOURNAL]) await rm(join(this.dir, name), { force: true });
    return this.report!;
  }

  async close(): Promise<void> {
    await this.#journal.close();
  }
}

/** Removes what is in the folder, its state last: as long as anything else is there, it says whose that is. */
async function clear(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name !== STATE) await rm(join(folder, name), { recursive: true });
  }
  await rm(join(folder, STATE));
}

async function makeFolders(folder: string): Promise<void> {
  for (const name of [CONDITION_FILES.conditioned, CONDITION_FILES.plain]) {
    await mkdir(join(folder, name), { recursive: true }).catch((error: unknown) => {
      throw fileError('write', folder, error);
    });
  }
}
