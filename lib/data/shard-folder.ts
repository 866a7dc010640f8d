import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory, temporaryName } from '../atomic-file.ts';
import { fileError } from '../files.ts';
import { shardName, unfinishedShardName } from './shards.ts';

/**
 * A folder of shards that appears whole under its name or not at all: it is filled under another name, and `commit`
 * gives the shards their final names, which say how many there are, and renames the folder. A commit that was cut off
 * is finished by calling it again.
 */
export class ShardFolder {
  readonly path: string;
  /** Where it lies until it is committed. */
  readonly work: string;
  readonly #name: string;

  /** `name` is that of the shards, `work` in the same directory as `path`. */
  constructor(path: string, work: string, name: string) {
    this.path = path;
    this.work = work;
    this.#name = name;
  }

  /** One under a name that nothing else has. */
  static async create(path: string, name: string): Promise<ShardFolder> {
    const folder = new ShardFolder(path, temporaryName(path), name);
    await mkdir(folder.work).catch((error) => {
      throw fileError('write', path, error);
    });
    return folder;
  }

  /** Where the shard of this index is to be written. */
  shard(index: number): string {
    return join(this.work, unfinishedShardName(this.#name, index));
  }

  /** Errors: IO, also when something is there under the folder's name. */
  async commit(count: number): Promise<void> {
    try {
      const there = new Set(await readdir(this.work));
      for (let index = 0; index < count; index++) {
        const named = shardName(this.#name, index, count);
        if (!there.has(named)) await rename(this.shard(index), join(this.work, named));
      }
      await syncDirectory(this.work);
      await rename(this.work, this.path);
      await syncDirectory(dirname(this.path));
    } catch (error) {
      throw fileError('write', this.path, error);
    }
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    await rm(this.work, { recursive: true, force: true });
  }
}
