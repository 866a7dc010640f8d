import { join } from 'node:path';
import { readArrowFile } from '../data/arrow-file.ts';
import { readNumberColumns, writeNumberColumns } from '../data/number-columns.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ParameterVector } from '../model/parameter-vector.ts';
import type { Fingerprint } from '../train/fingerprint.ts';
import type { ObservedStep, StepContext, StepObserver } from '../train/hooks.ts';
import { TargetGradient, type TargetOptions } from './target-gradient.ts';

export interface InRunOptions extends TargetOptions {
  /** Also score in AdamW's metric, where the run's optimizer is AdamW; default true. */
  optimizerMetric?: boolean;
}

/** Scores of the rows that were trained on, ascending by row. */
export interface InRunTable {
  rows: Uint32Array;
  /** `in_run`, with AdamW also `in_run_adam`; and `visits`, how often each row was trained on. */
  columns: Record<string, Float64Array>;
}

/** Names of a checkpoint's files begin with it. */
const NAME = 'in-run';
const METRIC_FILE = `${NAME}-metric.safetensors`;
const TALLY_FILE = `${NAME}.arrow`;

/**
 * First-order In-Run Data Shapley (Wang et al. 2024, "Data Shapley in One Training Run"): each time a row i is trained on,
 * its score grows by lr_t·⟨g_i(θ_t), ∇J(θ_t)⟩, the first-order estimate of how much a step along its gradient lowers the
 * mean loss J of a target set. ∇J is taken every `refreshEvery` steps over rows of the target set and used until the
 * next; the rest comes out of the training's own passes. Higher is better. `in_run_adam` is the same with ∇J in the
 * optimizer's metric (see Optimizer.precondition) at the refresh.
 *
 * Give it to `train` as `observer`; the scores become part of the run's checkpoints. Memory: one parameter vector, with
 * AdamW two, and 20 bytes for each row number up to the highest one trained on.
 */
export class InRunScores implements StepObserver {
  readonly fingerprint: Fingerprint;
  readonly #target: TargetGradient;
  readonly #model: Pick<LanguageModel, 'vector'>;
  readonly #wantsMetric: boolean;
  /** ∇J in the optimizer's metric; from the first step with AdamW on. */
  #metric: ParameterVector | undefined;
  #tally = newTally(0);

  constructor(model: Pick<LanguageModel, 'gradient' | 'vector'>, options: InRunOptions) {
    const { optimizerMetric = true, ...target } = options;
    this.#model = model;
    this.#wantsMetric = optimizerMetric;
    this.#target = new TargetGradient(model, target, NAME);
    this.fingerprint = { ...this.#target.fingerprint, [`${NAME} metric`]: String(optimizerMetric) };
  }

  async directions(context: StepContext): Promise<ParameterVector[]> {
    const refreshed = await this.#target.refresh(context);
    const { vector } = this.#target;
    if (!this.#wantsMetric || context.optimizer.kind !== 'adamw') return [vector];
    this.#metric ??= this.#model.vector();
    if (refreshed) {
      this.#metric.copyFrom(vector);
      await context.optimizer.precondition(this.#metric);
    }
    return [vector, this.#metric];
  }

  observe({ rows, lr, dots: [plain, adam] }: ObservedStep): void {
    this.#tally = grownTally(this.#tally, rows.reduce((most, row) => Math.max(most, row), 0) + 1);
    const { plain: scores, adam: adamScores, visits } = this.#tally;
    rows.forEach((row, i) => {
      scores[row] += lr * plain[i];
      if (adam) adamScores[row] += lr * adam[i];
      visits[row]++;
    });
  }

  /** The scores so far; the whole run's once `train` has resolved. */
  table(): InRunTable {
    const { plain, adam, visits } = this.#tally;
    const rows = Uint32Array.from(visits.keys()).filter((row) => visits[row] > 0);
    const take = (values: ArrayLike<number>) => Float64Array.from(rows, (row) => values[row]);
    return {
      rows,
      columns: { in_run: take(plain), ...(this.#metric && { in_run_adam: take(adam) }), visits: take(visits) },
    };
  }

  async save(directory: string): Promise<void> {
    const { rows, columns } = this.table();
    await writeNumberColumns(join(directory, TALLY_FILE), { row: rows, ...columns });
    await this.#target.save(directory);
    await this.#metric?.save(join(directory, METRIC_FILE));
  }

  async load(directory: string): Promise<void> {
    const path = join(directory, TALLY_FILE);
    const table = await readArrowFile(path);
    const inMetric = table.getChild('in_run_adam') !== null;
    const { columns } = readNumberColumns(path, table, {
      row: Uint32Array,
      in_run: Float64Array,
      visits: Float64Array,
      ...(inMetric && { in_run_adam: Float64Array }),
    });
    const { row: rows } = columns;
    const tally = newTally((rows.at(-1) ?? -1) + 1);
    rows.forEach((row, i) => {
      tally.plain[row] = columns.in_run[i];
      tally.visits[row] = columns.visits[i];
      if (columns.in_run_adam) tally.adam[row] = columns.in_run_adam[i];
    });
    this.#tally = tally;
    await this.#target.load(directory);
    if (inMetric) {
      this.#metric ??= this.#model.vector();
      await this.#metric.load(join(directory, METRIC_FILE));
    }
  }

  /** Frees the vectors' memory; the scores stay. */
  dispose(): void {
    this.#target.dispose();
    this.#metric?.dispose();
  }
}

/** Sums by row number. */
interface Tally {
  plain: Float64Array;
  adam: Float64Array;
  visits: Uint32Array;
}

function newTally(rows: number): Tally {
  return { plain: new Float64Array(rows), adam: new Float64Array(rows), visits: new Uint32Array(rows) };
}

/** The tally with room for `rows` rows at least. */
function grownTally(tally: Tally, rows: number): Tally {
  if (rows <= tally.visits.length) return tally;
  const grown = newTally(Math.max(rows, 2 * tally.visits.length));
  grown.plain.set(tally.plain);
  grown.adam.set(tally.adam);
  grown.visits.set(tally.visits);
  return grown;
}
