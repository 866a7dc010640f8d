import { join } from 'node:path';
import { mean } from 'simple-statistics';
import { latestCheckpoint, saveCheckpoint } from '../train/checkpoint.ts';
import { checkSameRun } from '../train/fingerprint.ts';
import { TrainingLog } from '../train/log.ts';
import { fingerprintOf, MetaTraining, type MetaTrainingRecord } from './data-rater/meta-training.ts';
import { resolveDataRater, type DataRaterLogEntry, type DataRaterOptions } from './data-rater/options.ts';
import { PROBE_LAG, takeReading, type ProbeReading } from './data-rater/probe.ts';

export type { DataRaterLogEntry, DataRaterOptions } from './data-rater/options.ts';
export type { InnerStart, PopulationOptions } from './data-rater/population.ts';
export { divideRows, type RowSetsOptions, type RowsOptions } from './data-rater/row-sets.ts';

export interface TrainedDataRater {
  /** Meta-steps made. */
  steps: number;
  /** Rows that took part in a meta-gradient, repeats counted. */
  ratedRows: number;
  /** Inner steps that nothing was learned from, after beginnings. */
  burnInSteps: number;
  /** Mean outer loss, and mean effective samples of a batch, over the last tenth of the meta-steps. */
  outerLoss: number;
  effectiveSamples: number;
  /** As in the log, at the last reading that has it. */
  stability: number | null;
  seconds: number;
}

/** How far the training has come: with a MetaTrainingRecord, what its checkpoints say. */
interface DataRaterState {
  step: number;
  seconds: number;
  /** Of the last tenth of the meta-steps so far. */
  outerLosses: number[];
  effectiveSamples: number[];
  readings: ProbeReading[];
  stability: number | null;
}

const RATER_FILE = 'rater.safetensors';

/**
 * Trains a rater of samples by differentiating through the training of language models (DataRater, Calian et al. 2025).
 * Each meta-step takes every inner model T optimizer steps further on batches of rated rows weighted by softmax(scores / τ), and
 * differentiates the loss of held-out rows there by the rater's parameters, through these steps. The meta-gradients of the
 * inner models go through an Adam each, whose updates are averaged. Inner models live for some steps, then begin again.
 * A run that is killed and started again with the same arguments goes on from its latest checkpoint and ends with the
 * same bits.
 *
 * Memory, in copies of the inner model's parameters: three for each inner model with AdamW, one for each start, and
 * about T + 6 at work; in copies of the rater's, two for each inner model and four more.
 * @throws GradfoldError INVALID_ARGUMENT for misuse, or for a checkpoint of another run; INVALID_DATA when inner models
 *   diverge; rejects with `signal.reason` on abort, leaving the checkpoints as they are.
 */
export async function trainDataRater(options: DataRaterOptions): Promise<TrainedDataRater> {
  const settings = resolveDataRater(options);
  const { model, steps, probe, rated, window, modelsPerStep } = settings;
  const { rater, checkpoint, signal, onStep } = options;
  const training = new MetaTraining(rater, settings);
  const own = model.parameters.copy();
  try {
    const fingerprint = checkpoint && fingerprintOf(rater, settings);
    const state: DataRaterState = (checkpoint && (await resume(checkpoint.dir))) ?? {
      step: 0,
      seconds: 0,
      outerLosses: [],
      effectiveSamples: [],
      readings: [],
      stability: null,
    };
    const log =
      options.log === undefined ? undefined : await TrainingLog.open<DataRaterLogEntry>(options.log, state.step);
    const started = performance.now() - state.seconds * 1000;
    while (state.step < steps) {
      signal?.throwIfAborted();
      const made = await training.step(state.step, signal);
      state.step++;
      remember(state.outerLosses, made.outerLoss, state.step);
      remember(state.effectiveSamples, made.effectiveSamples, state.step);
      const report = state.step % probe.every === 0 || state.step === steps ? await read(state) : undefined;
      state.seconds = (performance.now() - started) / 1000;
      const entry: DataRaterLogEntry = { ...made, seconds: state.seconds, ...report };
      await log?.append(entry);
      await onStep?.(entry);
      if (checkpoint && (state.step % checkpoint.every === 0 || state.step === steps))
        await save(checkpoint.dir, state);
    }
    return {
      steps,
      ratedRows: steps * modelsPerStep * window * rated.batchSize,
      burnInSteps: training.burnInSteps,
      outerLoss: mean(state.outerLosses),
      effectiveSamples: mean(state.effectiveSamples),
      stability: state.stability,
      seconds: state.seconds,
    };

    async function read(of: DataRaterState) {
      const { step, readings } = of;
      const { reading, report } = await takeReading(rater, probe, readings, {
        step,
        batchSize: rated.batchSize,
        signal,
      });
      of.readings = [...readings.filter((past) => past.step > step - PROBE_LAG), reading];
      of.stability = report.stability ?? of.stability;
      return report;
    }

    async function save(directory: string, of: DataRaterState): Promise<void> {
      const record = { format: 1 as const, ...of, fingerprint: fingerprint!, training: {} as MetaTrainingRecord };
      await saveCheckpoint(directory, record, async (path) => {
        await rater.parameters.save(join(path, RATER_FILE));
        record.training = await training.save(path);
      });
    }

    async function resume(directory: string): Promise<DataRaterState | undefined> {
      const found = await latestCheckpoint<DataRaterState & { training: MetaTrainingRecord }>(directory);
      if (!found) return undefined;
      checkSameRun(found.path, found.fingerprint, fingerprint!);
      await rater.parameters.load(join(found.path, RATER_FILE));
      const { training: record, ...saved } = found.state;
      await training.load(found.path, record);
      return saved;
    }
  } finally {
    model.parameters.copyFrom(own);
    own.dispose();
    training.dispose();
  }
}

/** Keeps a tenth of what there has been. */
function remember(values: number[], value: number, step: number): void {
  values.push(value);
  values.splice(0, values.length - Math.max(1, Math.ceil(step / 10)));
}
