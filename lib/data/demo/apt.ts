import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GradfoldError } from '../../errors.ts';
import { runCommand } from './run-command.ts';

export interface AptOptions {
  cacheDir: string;
  signal?: AbortSignal;
  onProgress?(message: string): void;
}

/**
 * Debian packages fetched and unpacked in a folder, with package lists of its own there: nothing is installed, the
 * system's lists stay as they are, and no privileges are needed.
 */
export class DebianCache {
  readonly #directory: string;
  readonly #options: AptOptions;

  private constructor(directory: string, options: AptOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** Fetches the package lists, once. Error: UNAVAILABLE where apt-get or dpkg-deb is missing. */
  static async open(options: AptOptions): Promise<DebianCache> {
    const cache = new DebianCache(join(options.cacheDir, 'debian'), options);
    await mkdir(join(cache.#lists, 'partial'), { recursive: true });
    for (const program of ['apt-get', 'dpkg-deb'])
      await cache.#run(program, ['--version'], 'the Debian part of the corpus');
    const lists = await Promise.all(['_Packages', '_Translation-en'].map((suffix) => cache.index(suffix)));
    if (lists.some((found) => found.length === 0)) {
      options.onProgress?.('fetching the Debian package lists');
      await cache.#apt('the Debian package lists', 'update');
    }
    return cache;
  }

  get #lists(): string {
    return join(this.#directory, 'lists');
  }

  /** The unpacked files of a package: a folder with the root of its tree. */
  async unpacked(name: string): Promise<string> {
    const folder = join(this.#directory, name);
    if (await stat(folder).catch(() => undefined)) return folder;
    this.#options.onProgress?.(`fetching the Debian package ${name}`);
    const purpose = `the Debian package ${name}`;
    await this.#apt(purpose, 'download', name);
    const archive = (await readdir(this.#directory)).find(
      (file) => file.startsWith(`${name}_`) && file.endsWith('.deb'),
    );
    if (archive === undefined) throw new GradfoldError('IO', `${purpose}: apt-get download left no file`);
    const unfinished = `${folder}.tmp`;
    await rm(unfinished, { recursive: true, force: true });
    await this.#run('dpkg-deb', ['-x', archive, unfinished], purpose);
    await rename(unfinished, folder);
    await rm(join(this.#directory, archive));
    return folder;
  }

  /** The package lists whose names end so: '_Packages', '_Translation-en'. */
  async index(suffix: string): Promise<string[]> {
    const names = (await readdir(this.#lists)).filter((name) => name.endsWith(suffix)).sort();
    return Promise.all(names.map((name) => readFile(join(this.#lists, name), 'utf8')));
  }

  #apt(purpose: string, ...args: string[]): Promise<string> {
    const settings = [
      `Dir::State::Lists=${this.#lists}`,
      `Dir::Cache=${join(this.#directory, 'apt')}`,
      'Acquire::Languages=en',
      'Acquire::GzipIndexes=false',
      'APT::Sandbox::User=root',
    ];
    return this.#run('apt-get', ['-q', ...settings.flatMap((setting) => ['-o', setting]), ...args], purpose);
  }

  #run(program: string, args: string[], purpose: string): Promise<string> {
    return runCommand(program, args, { cwd: this.#directory, purpose, signal: this.#options.signal });
  }
}
