import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../check.ts';
import { writeTextAtomically } from '../atomic-file.ts';
import { readJsonObject } from '../files.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import { checkSameRun, type Fingerprint } from '../train/fingerprint.ts';
import type { SweepState } from './lqs-sweep.ts';

/** What a score set has gathered so far, one entry a sample. */
export interface ScoreTally {
  scores: Float64Array;
  denominators: Float64Array;
}

interface SavedSweep {
  format: 1;
  fingerprint: Fingerprint;
  step: number;
  /** File of λ_{step+1}; null when the sweep is complete. */
  lambda: string | null;
  lambdaNorms: number[];
  targetLosses: number[];
  tallies: { scores: number[]; denominators: number[] }[];
}

/**
 * The state of a sweep on disk: `state.json`, the adjoint it names, and the iterates under `iterates/`. Each write is
 * one rename, so a process killed at any instant leaves a state to go on from.
 */
export class SweepCheckpoint {
  readonly #directory: string;
  readonly #fingerprint: Fingerprint;

  constructor(directory: string, fingerprint: Fingerprint) {
    this.#directory = directory;
    this.#fingerprint = fingerprint;
  }

  get iterates(): string {
    return join(this.#directory, 'iterates');
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
    saved.tallies.forEach(({ scores, denominators }, i) => {
      tallies[i].scores.set(scores);
      tallies[i].denominators.set(denominators);
    });
    if (saved.lambda !== null) await state.lambda.load(join(this.#directory, saved.lambda));
  }

  async write(state: SweepState, tallies: ScoreTally[]): Promise<void> {
    const complete = state.step < 0;
    const lambda = complete ? null : await this.#saveLambda(state.step + 1, state.lambda);
    const saved: SavedSweep = {
      format: 1,
      fingerprint: this.#fingerprint,
      step: state.step,
      lambda,
      lambdaNorms: Array.from(state.lambdaNorms),
      targetLosses: Array.from(state.targetLosses),
      tallies: tallies.map(({ scores, denominators }) => ({
        scores: Array.from(scores),
        denominators: Array.from(denominators),
      })),
    };
    await writeTextAtomically(this.#stateFile, JSON.stringify(saved));
    for (const name of await readdir(this.#directory)) {
      if (name.startsWith('lambda-') && name !== lambda) await rm(join(this.#directory, name), { force: true });
    }
    if (complete) await rm(this.iterates, { recursive: true, force: true });
  }

  get #stateFile(): string {
    return join(this.#directory, 'state.json');
  }

  async #saveLambda(step: number, lambda: ParameterVector): Promise<string> {
    const name = `lambda-${String(step).padStart(6, '0')}.safetensors`;
    await lambda.save(join(this.#directory, name));
    return name;
  }

  async #readState(): Promise<SavedSweep | undefined> {
    if (!existsSync(this.#stateFile)) return undefined;
    const saved = await readJsonObject(this.#stateFile);
    if (saved.format !== 1) {
      throw invalid(`${this.#stateFile}: format`, '1', saved.format, {
        code: 'INVALID_FILE',
        fix: 'delete the directory to start afresh',
      });
    }
    return saved as unknown as SavedSweep;
  }
}
