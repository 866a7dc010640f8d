import { addonReason, loadAddon } from '../backend/addon.ts';
import { rethrowing, rethrowingAsync } from '../backend/native/job.ts';
import { checkCall, checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { fileError } from '../files.ts';
import { notANumber } from '../score/check.ts';
import { checkThreshold } from '../select/threshold.ts';
import { rowsOfRatio } from '../select/top-ratio.ts';
import { rowsOfTop } from '../select/top-k.ts';
import { checkLayers, DEFAULT_LAYERS, layerStarts } from './fold.ts';
import { ORDER_THREADS, type NativeRowSorter } from './native.ts';
import { PlanFile } from './plan-file.ts';
import { ScoreFiles, type ScorePiece } from './score-files.ts';
import { rowFilter } from './score-filter.ts';
import { ShardNames } from './shard-names.ts';
import { leastMemory } from './sort-kernel.ts';

/** Which rows are kept, as topRatio, topK and aboveThreshold do. */
export type FileSelection = { topRatio: number } | { topK: number } | { above: number };

/** The order of the kept rows; `input` leaves them as they are in the files. */
export type FileOrder =
  { method: 'fold'; layers?: number } | { method: 'sort'; descending?: boolean } | { method: 'input' };

export interface OrderFileOptions {
  /** The score column, float32 or float64. */
  column: string;
  /** Default: all rows. */
  select?: FileSelection;
  /** Default: fold in 3 layers. */
  order?: FileOrder;
  /** Most bytes of memory taken beside what the process has, at least leastFileMemory(rows); default 4 GiB. */
  memory?: number;
  /** Key-value pairs kept in the plan: what it was made from. */
  metadata?: Record<string, string>;
  onProgress?: (progress: OrderFileProgress) => void;
  signal?: AbortSignal;
}

export interface OrderFileProgress {
  /** What the scores are gone through for. */
  step: 'count' | 'sort' | 'filter';
  /** Rows gone through, of `of`, in this step; a sort goes through all rows once for every window that fits in memory. */
  done: number;
  of: number;
}

export interface OrderedFile {
  /** Rows of the plan. */
  rows: number;
  /** Rows of the scores. */
  of: number;
  /** How often the scores were read. */
  passes: number;
}

const METHODS: FileOrder['method'][] = ['fold', 'sort', 'input'];
const DEFAULT_MEMORY = 2 ** 32;
/** For pieces of the files, and what is written of the plan at a time. */
const BUFFERS = 2 ** 26;
/** Rows are numbered by uint32. */
const MAX_ROWS = 0xffffffff;

/** The least memory for orderFile of n rows, in bytes: 72 MiB and a quarter of a byte a row. */
export function leastFileMemory(n: number): number {
  return BUFFERS + leastMemory(n);
}

/**
 * Selects and orders the rows of score files that need not fit in memory, and writes the plan, atomically. The plan is
 * what planOf makes of the same selection in memory, with weights of 1.
 *
 * The scores are read once or twice to count them, then once for every part of the order that fits in `memory`. Rows are
 * named by the column `row` where the files have one, else numbered from 0 in each file. Several files are shards, in
 * the order given: the plan then has a column `shard`, the file's index, and rows count within it.
 *
 * @throws GradfoldError NOT_FOUND, INVALID_FILE, INVALID_DATA (unknown column; NaN, naming file and row), UNSUPPORTED for
 * the files; INVALID_ARGUMENT for options, or when nothing is kept; UNAVAILABLE without the CPU addon; IO.
 */
export async function orderFile(
  scores: string | readonly string[],
  plan: string,
  options: OrderFileOptions,
): Promise<OrderedFile> {
  checkCall('options', options);
  const { column, order = { method: 'fold' }, memory = DEFAULT_MEMORY } = options;
  if (!METHODS.includes(order.method)) throw invalid('order.method', '"fold", "sort" or "input"', order.method);
  const paths = typeof scores === 'string' ? [scores] : scores;
  if (paths.length === 0) throw invalid('scores', 'at least one file', 'none');
  const files = await ScoreFiles.open(paths, column);
  try {
    checkRows(files);
    checkInteger('memory (bytes)', memory, leastFileMemory(files.rows));
    const run = new FileSort(files, memory - BUFFERS, options);
    const { keep, names } = await run.count();
    const starts = order.method === 'fold' ? foldStarts(keep, order.layers) : [0, keep];
    const out = await PlanFile.create(plan, starts, files.counts.length > 1, options.metadata ?? {});
    try {
      if (order.method === 'input') await run.filter(keep, names, out);
      else await run.sort(keep, names, out, starts, order.method === 'sort' && order.descending === true);
      await out.commit();
    } catch (error) {
      await out.discard();
      throw error;
    }
    return { rows: keep, of: files.rows, passes: run.passes };
  } catch (error) {
    throw fileError('write', plan, error);
  } finally {
    await files.close();
  }
}

function checkRows({ rows, counts }: ScoreFiles): void {
  if (rows === 0) throw invalid('scores', 'at least one row', 'none', { code: 'INVALID_DATA' });
  if (rows > MAX_ROWS) {
    throw new GradfoldError(
      'UNSUPPORTED',
      `scores: expected at most ${MAX_ROWS} rows in ${counts.length} files, got ${rows}; order them in parts`,
    );
  }
}

/** The layers of n folded rows, without those that are empty. */
function foldStarts(n: number, layers = DEFAULT_LAYERS): number[] {
  checkLayers(layers);
  return layerStarts(n, Math.min(layers, n));
}

/** The passes over the files. */
class FileSort {
  passes = 0;
  readonly #files: ScoreFiles;
  readonly #sorter: NativeRowSorter;
  readonly #options: OrderFileOptions;

  constructor(files: ScoreFiles, memory: number, options: OrderFileOptions) {
    const addon = loadAddon();
    if (addon === null) throw new GradfoldError('UNAVAILABLE', `orderFile: ${addonReason()}`);
    this.#files = files;
    this.#options = options;
    const { rows, wide } = files;
    this.#sorter = rethrowing(() => addon.createRowSorter({ rows, wide, threads: ORDER_THREADS, memory }));
  }

  /** How many rows are kept, and what rows are called. */
  async count(): Promise<{ keep: number; names: ShardNames }> {
    const { select } = this.#options;
    const names = new ShardNames(this.#files.counts);
    const above = select !== undefined && 'above' in select ? checkThreshold(select.above) : undefined;
    let higher = 0;
    await this.#pass('count', async (piece) => {
      const nan = await rethrowingAsync(() => this.#sorter.count(piece.scores));
      if (nan >= 0) throw this.#notANumber(piece, nan);
      if (piece.names) names.see(piece.file, piece.names);
      if (above !== undefined) for (const score of piece.scores) if (score > above) higher++;
    });
    names.settle();
    while (rethrowing(() => this.#sorter.refine())) {
      await this.#pass('count', ({ scores }) => rethrowingAsync(() => this.#sorter.count(scores)));
    }
    const keep = above !== undefined ? higher : keptOf(this.#files.rows, select);
    if (keep === 0) {
      throw invalid('select', 'at least one row', 'none', { fix: 'select less strictly: nothing was kept' });
    }
    return { keep, names };
  }

  /** Sorts the highest `keep` rows, window by window, into the layers that begin at `starts`. */
  async sort(keep: number, names: ShardNames, out: PlanFile, starts: number[], descending: boolean): Promise<void> {
    const windows = rethrowing(() => this.#sorter.arrange({ keep, descending }));
    const layers = starts.length - 1;
    const of = (windows.length / 2) * this.#files.rows;
    const rows = new Uint32Array(windows.reduce((most, value, i) => (i % 2 ? Math.max(most, value) : most), 0));
    for (let w = 0; 2 * w < windows.length; w++) {
      const [first, count] = windows.subarray(2 * w);
      const window = rows.subarray(0, count);
      await this.#collect(w, layers, window, names, of);
      // The window is folded by itself: layer after layer, from the one that its first row belongs to.
      const pieces = layerStarts(count, Math.min(layers, count));
      for (let turn = 0; turn + 1 < pieces.length; turn++) {
        const layer = (first + turn) % layers;
        const position = starts[layer] + Math.floor((first + turn) / layers);
        await names.write(out, position, window.subarray(pieces[turn], pieces[turn + 1]));
      }
    }
  }

  /** The highest `keep` rows in the order of the files. */
  async filter(keep: number, names: ShardNames, out: PlanFile): Promise<void> {
    const { rows } = this.#files;
    const passes = keep < rows ? await this.#cut(keep) : () => true;
    const kept = new Uint32Array(Math.min(keep, 1 << 20));
    let position = 0;
    let held = 0;
    const flush = async () => {
      await names.write(out, position, kept.subarray(0, held));
      position += held;
      held = 0;
    };
    await this.#pass('filter', async (piece) => {
      const { scores, names: called } = piece;
      const offset = names.offset(piece);
      for (let i = 0; i < scores.length; i++) {
        if (!passes(scores[i])) continue;
        if (held === kept.length) await flush();
        kept[held++] = offset + (called ? called[i] : i);
      }
    });
    await flush();
  }

  /** Whether a score, of all given in order, is among the highest `keep`: of those equal to the lowest, the later stay. */
  async #cut(keep: number): Promise<(score: number) => boolean> {
    const { rows } = this.#files;
    const [, count] = rethrowing(() => this.#sorter.arrange({ keep, descending: false }));
    const window = new Uint32Array(count);
    await this.#collect(0, 1, window, undefined, rows);
    const lowest = await this.#files.score(window[0]);
    const cut = rowFilter(lowest, keep);
    await this.#pass('filter', async ({ scores }) => cut.see(scores));
    return cut.passes;
  }

  /** Fills a window's rows; without names they are counted through all files. */
  async #collect(index: number, layers: number, window: Uint32Array, names: ShardNames | undefined, of: number) {
    rethrowing(() => this.#sorter.open(index, layers, window));
    await this.#pass(
      'sort',
      (piece) =>
        rethrowingAsync(() =>
          this.#sorter.collect(piece.scores, names && piece.names, names?.offset(piece) ?? piece.start),
        ),
      index * this.#files.rows,
      of,
    );
    await rethrowingAsync(() => this.#sorter.close());
  }

  /** Goes through all rows. */
  async #pass(
    step: OrderFileProgress['step'],
    take: (piece: ScorePiece) => Promise<unknown>,
    before = 0,
    of = this.#files.rows,
  ): Promise<void> {
    const { signal, onProgress } = this.#options;
    this.passes++;
    for await (const piece of this.#files.pieces()) {
      signal?.throwIfAborted();
      await take(piece);
      onProgress?.({ step, done: before + piece.start + piece.scores.length, of });
    }
  }

  #notANumber({ file, start }: ScorePiece, index: number): GradfoldError {
    const earlier = this.#files.counts.slice(0, file).reduce((sum, rows) => sum + rows, 0);
    return notANumber(start - earlier + index, `${this.#files.paths[file]}: ${this.#options.column}`);
  }
}

function keptOf(n: number, select: FileSelection | undefined): number {
  if (select === undefined) return n;
  if ('topRatio' in select) return rowsOfRatio(n, select.topRatio);
  if ('topK' in select) return rowsOfTop(n, select.topK);
  throw invalid('select', '{ topRatio }, { topK } or { above }', select);
}
