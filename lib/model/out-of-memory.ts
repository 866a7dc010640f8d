import type {
  BackwardRequest,
  BackwardResult,
  EngineBatch,
  EngineModel,
  EngineTrace,
  EngineVector,
  FloatArray,
  MemoryRequest,
} from '../backend/types.ts';
import { checkBatch, type BatchLimits } from '../data/batch.ts';
import { GradfoldError } from '../errors.ts';

/** What an error of a device with memory of its own knows (native/kernels/out_of_memory.h). */
interface Refusal {
  /** Bytes of the device that were free. */
  free: number;
}

/** An engine's model whose out-of-memory errors say which batch would fit. */
export class ExplainingModel implements EngineModel {
  readonly #model: EngineModel;
  readonly #limits: BatchLimits;

  constructor(model: EngineModel, limits: BatchLimits) {
    this.#model = model;
    this.#limits = limits;
  }

  get parameters(): EngineVector {
    return this.#model.parameters;
  }
  get memory(): EngineModel['memory'] {
    return this.#model.memory?.bind(this.#model);
  }
  zeros(): EngineVector {
    return this.#model.zeros();
  }
  dispose(): void {
    this.#model.dispose();
  }

  loss(batch: EngineBatch, signal?: AbortSignal): Promise<Float64Array> {
    return this.#explained(batch, { operation: 'loss' }, () => this.#model.loss(batch, signal));
  }

  // A head's panel of logits is what a loss holds too; what is wanted of them lies in ordinary memory.
  logits(batch: EngineBatch, signal?: AbortSignal): Promise<FloatArray> {
    return this.#explained(batch, { operation: 'loss' }, () => this.#model.logits(batch, signal));
  }

  async backward(batch: EngineBatch, request: BackwardRequest, signal?: AbortSignal): Promise<BackwardResult> {
    const { into, norms, gram, gradients, dots, sketch, keep } = request;
    const wanted = { gradient: into !== undefined, norms, gram, gradients };
    const pass = { operation: 'backward', ...wanted, dots: dots?.length, sketch: sketch?.dimensions, keep } as const;
    const result = await this.#explained(batch, pass, () => this.#model.backward(batch, request, signal));
    return { ...result, trace: result.trace && this.#explainedTrace(batch, result.trace, keep) };
  }

  jvp(batch: EngineBatch, v: EngineVector, signal?: AbortSignal): Promise<Float64Array> {
    return this.#explained(batch, { operation: 'jvp' }, () => this.#model.jvp(batch, v, signal));
  }

  hvp(
    batch: EngineBatch,
    v: EngineVector,
    weights: Float64Array,
    sum: EngineVector,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    return this.#explained(batch, { operation: 'hvp' }, () => this.#model.hvp(batch, v, weights, sum, signal));
  }

  #explainedTrace(batch: EngineBatch, trace: EngineTrace, keep: MemoryRequest['keep']): EngineTrace {
    return {
      jvp: (v, signal) => this.#explained(batch, { operation: 'jvp', keep }, () => trace.jvp(v, signal)),
      hvp: (v, sum, signal) => this.#explained(batch, { operation: 'hvp', keep }, () => trace.hvp(v, sum, signal)),
      dispose: () => trace.dispose(),
    };
  }

  async #explained<T>(batch: EngineBatch, pass: MemoryRequest, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const free = freeBytes(error);
      if (free === undefined || !this.#model.memory) throw error;
      const rows = this.#fittingRows(batch, pass, free);
      const advice = rows === 0 ? 'not one of its rows would' : `${rows} of its rows would`;
      throw new GradfoldError(
        'OUT_OF_MEMORY',
        `a batch of ${batch.batch} rows of ${batch.time} tokens does not fit, ${advice}; ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** The most first rows of a batch whose pass takes no more than `free` bytes. */
  #fittingRows(batch: EngineBatch, pass: MemoryRequest, free: number): number {
    const fits = (rows: number) => {
      const { activations, workspace } = this.#model.memory!(this.#firstRows(batch, rows), pass);
      return activations + workspace <= free;
    };
    let fitting = 0;
    let tooMany = batch.batch;
    while (tooMany - fitting > 1) {
      const rows = Math.floor((fitting + tooMany) / 2);
      if (fits(rows)) fitting = rows;
      else tooMany = rows;
    }
    return fitting;
  }

  #firstRows(batch: EngineBatch, rows: number): EngineBatch {
    const end = rows * batch.time;
    return checkBatch(
      {
        ...batch,
        batch: rows,
        inputIds: batch.inputIds.subarray(0, end),
        labels: batch.labels.subarray(0, end),
        attentionMask: batch.attentionMask.subarray(0, end),
        documentIds: batch.documentIds?.subarray(0, end),
        tokenTypeIds: batch.tokenTypeIds?.subarray(0, end),
      },
      this.#limits,
      batch.granularity,
    );
  }
}

function freeBytes(error: unknown): number | undefined {
  if (!(error instanceof GradfoldError) || error.code !== 'OUT_OF_MEMORY') return undefined;
  const { free } = (error.cause ?? {}) as Partial<Refusal>;
  return typeof free === 'number' ? free : undefined;
}
