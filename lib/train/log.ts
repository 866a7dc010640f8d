import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { removeTemporary, writeTextAtomically } from '../atomic-file.ts';
import { fileError } from '../files.ts';

/** One line of a training log. */
export interface TrainingLogEntry {
  /** Updates made, this one included. */
  step: number;
  /** Weighted mean loss of the step's batch, before the update. */
  loss: number;
  lr: number;
  /** Norm of the gradient before clipping. */
  gradientNorm: number;
  /** Tokens read so far, padding not counted. */
  tokens: number;
  /** Passes over the plan completed before this batch. */
  epoch: number;
  /** Wall time spent training so far. */
  seconds: number;
  /** What `validate` returned after this step. */
  validation?: Record<string, number>;
}

/** A training log: one JSON object a line, appended as steps are made. */
export class TrainingLog<Entry extends { step: number } = TrainingLogEntry> {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens a log at `step` made steps: lines of later steps, and one torn by a kill, are cut off. */
  static async open<Entry extends { step: number } = TrainingLogEntry>(
    path: string,
    step: number,
  ): Promise<TrainingLog<Entry>> {
    await mkdir(dirname(path), { recursive: true });
    await removeTemporary(dirname(path), basename(path));
    const lines = step === 0 ? [] : (await readIfThere(path)).split('\n').filter((line) => stepOf(line) <= step);
    await writeTextAtomically(path, lines.map((line) => `${line}\n`).join(''));
    return new TrainingLog<Entry>(path);
  }

  async append(entry: Entry): Promise<void> {
    try {
      await appendFile(this.#path, `${JSON.stringify(entry)}\n`);
    } catch (cause) {
      throw fileError('write', this.#path, cause);
    }
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw fileError('read', path, error);
  }
}

/** Infinity for what is not a line of a log. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Infinity;
  }
}
