import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../check.ts';
import { writeTextAtomically } from '../atomic-file.ts';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns } from '../data/number-columns.ts';
import { readJsonObject } from '../files.ts';
import { floatBytes, floatsOf, joinFloats, Journal } from '../journal.ts';
import { checkSameRun, type Fingerprint } from '../train/fingerprint.ts';
import type { SweepState } from './lqs-sweep.ts';

/** What a score set has gathered so far, one entry a sample. */
export interface ScoreTally {
  scores: Float64Array;
  denominators: Float64Array;
}

interface SavedSweep {
  format: 2;
  fingerprint: Fingerprint;
  step: number;
  /** File of λ_{step+1}; null when the sweep is complete. */
  lambda: string | null;
  lambdaNorms: number[];
  targetLosses: number[];
  /** File of each set's tally; none before the first visit. */
  tallies: string[];
}

const STATE = 'state.json';
const VISIT = 'visit.journal';

/** Gives the numbers of each part of a visit in turn: `compute` finds them, unless they are known already. */
export type VisitRecorder = (rows: number, compute: () => Promise<Float64Array[]>) => Promise<Float64Array>;

/** Numbers of a part that are not kept anywhere. */
export const unrecorded: VisitRecorder = async (_, compute) => joinFloats(await compute());

/**
 * The state of a sweep on disk: `state.json`, the adjoint and the tallies that it names, the iterates under `iterates/`,
 * and `visit.journal`, what the visit under way has found so far. Each write is one rename or one appended entry, so a
 * process killed at any instant leaves a state to go on from.
 */
export class SweepCheckpoint {
  readonly #directory: string;
  readonly #fingerprint: Fingerprint;
  #tallies: string[] = [];
  #journal: Journal | undefined;
  /** Entries of the visit that was under way: number of rows, then what was found. */
  #recorded: Float64Array[] = [];

  constructor(directory: string, fingerprint: Fingerprint) {
    this.#directory = directory;
    this.#fingerprint = fingerprint;
  }

  get iterates(): string {
    return join(this.#directory, 'iterates');
  }

  /** Rows of the next visit whose numbers are known already. */
  get recordedRows(): number {
    return this.#recorded.reduce((sum, [rows]) => sum + rows, 0);
  }

  /**
   * Overwrites `state` and `tallies` with what was saved; leaves them as they are when nothing was.
   * @throws GradfoldError INVALID_ARGUMENT when the directory belongs to another sweep, INVALID_FILE when it is damaged.
   */
  async read(state: SweepState, tallies: ScoreTally[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const saved = await this.#readState();
    if (saved === undefined) return;
    checkSameRun(this.#directory, saved.fingerprint, this.#fingerprint);
    state.step = saved.step;
    state.lambdaNorms.set(saved.lambdaNorms);
    state.targetLosses.set(saved.targetLosses);
    this.#tallies = saved.tallies;
    for (const [i, name] of saved.tallies.entries()) await readTally(join(this.#directory, name), tallies[i]);
    if (saved.lambda === null) return;
    await state.lambda.load(join(this.#directory, saved.lambda));
    const { journal, entries } = await Journal.open(join(this.#directory, VISIT));
    this.#journal = journal;
    const [visit, ...parts] = entries.map(floatsOf);
    if (visit?.[0] === state.step) this.#recorded = parts;
  }

  /** @param visited whether the tallies have changed since the last write */
  async write(state: SweepState, tallies: ScoreTally[], visited: boolean): Promise<void> {
    const complete = state.step < 0;
    const lambda = complete ? null : nameAt('lambda', state.step + 1, 'safetensors');
    if (lambda) await state.lambda.save(join(this.#directory, lambda));
    if (visited) {
      this.#tallies = tallies.map((_, i) => nameAt(`tally-${i}`, state.step + 1, 'arrow'));
      for (const [i, { scores, denominators }] of tallies.entries()) {
        await writeNumberColumns(join(this.#directory, this.#tallies[i]), { score: scores, denominator: denominators });
      }
    }
    const saved: SavedSweep = {
      format: 2,
      fingerprint: this.#fingerprint,
      step: state.step,
      lambda,
      lambdaNorms: Array.from(state.lambdaNorms),
      targetLosses: Array.from(state.targetLosses),
      tallies: this.#tallies,
    };
    await writeTextAtomically(join(this.#directory, STATE), JSON.stringify(saved));
    const current = new Set([lambda, ...this.#tallies]);
    for (const name of await readdir(this.#directory)) {
      if (/^(lambda|tally-\d+)-\d+\./.test(name) && !current.has(name)) await rm(join(this.#directory, name));
    }
    if (!complete) return;
    await this.close();
    await rm(join(this.#directory, VISIT), { force: true });
    await rm(this.iterates, { recursive: true, force: true });
  }

  /** Begins the visit to θ_step, or goes on with it. */
  async visit(step: number): Promise<VisitRecorder> {
    this.#journal ??= (await Journal.open(join(this.#directory, VISIT))).journal;
    const journal = this.#journal;
    const known = this.#recorded;
    this.#recorded = [];
    if (known.length === 0) {
      await journal.clear();
      await journal.append(floatBytes(Float64Array.of(step)));
    }
    return async (rows, compute) => {
      const recorded = known.shift();
      if (recorded) return recorded.subarray(1);
      const found = joinFloats([Float64Array.of(rows), ...(await compute())]);
      await journal.append(floatBytes(found));
      return found.subarray(1);
    };
  }

  /** Closes files; what is on disk stays. */
  async close(): Promise<void> {
    await this.#journal?.close();
    this.#journal = undefined;
  }

  async #readState(): Promise<SavedSweep | undefined> {
    const path = join(this.#directory, STATE);
    if (!existsSync(path)) return undefined;
    const saved = await readJsonObject(path);
    if (saved.format !== 2) {
      throw invalid(`${path}: format`, '2', saved.format, {
        code: 'INVALID_FILE',
        fix: 'delete the directory to start afresh',
      });
    }
    return saved as unknown as SavedSweep;
  }
}

function nameAt(what: string, step: number, extension: string): string {
  return `${what}-${String(step).padStart(6, '0')}.${extension}`;
}

async function readTally(path: string, tally: ScoreTally): Promise<void> {
  const types = { score: Float64Array, denominator: Float64Array };
  const { columns } = readNumberColumns(path, await readArrowFile(path), types);
  if (columns.score.length !== tally.scores.length) {
    throw invalid(path, `${tally.scores.length} rows`, columns.score.length, { code: 'INVALID_FILE' });
  }
  tally.scores.set(columns.score);
  tally.denominators.set(columns.denominator);
}
