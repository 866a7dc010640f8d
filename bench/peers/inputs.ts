import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LanguageModel, openBackend } from 'gradfold';
import { normalScores } from '../scores.ts';
import { zipfBatch, type Workload } from '../workloads.ts';
import type { Comparison } from './comparisons.ts';
import type { Job } from './protocol.ts';

/** What jobs work on, as files that both sides read: the same parameters, tokens and scores. */
export class Inputs {
  readonly #directory = mkdtempSync(join(tmpdir(), 'gradfold-peers-'));
  readonly #written = new Set<string>();

  /** The part of a job that says what it works on. */
  async of(input: Comparison['input']): Promise<Partial<Job>> {
    if ('scores' in input) return { scores: await this.#scores(input.scores) };
    const { workload, innerSteps } = input;
    return {
      model: await this.#model(workload),
      ids: rowsOf(workload, 0),
      ...(innerSteps && { inner: Array.from({ length: innerSteps }, (_, t) => rowsOf(workload, 1 + t)) }),
    };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }

  async #model({ name, config }: Workload): Promise<string> {
    const path = join(this.#directory, name);
    if (this.#written.has(path)) return path;
    const backend = await openBackend('cpu');
    const model = await LanguageModel.initialize(config, { backend, seed: 0 });
    await model.savePretrained(path);
    backend.dispose();
    this.#written.add(path);
    return path;
  }

  async #scores(rows: number): Promise<string> {
    const path = join(this.#directory, `scores-${rows}.f32`);
    if (!this.#written.has(path)) await writeFile(path, normalScores(rows));
    this.#written.add(path);
    return path;
  }
}

function rowsOf(workload: Workload, seed: number): number[][] {
  const { batch, time, inputIds } = zipfBatch(workload, seed);
  return Array.from({ length: batch }, (_, row) => Array.from(inputIds.subarray(row * time, (row + 1) * time)));
}
