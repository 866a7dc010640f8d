import { join } from 'node:path';
import { GradfoldError } from '../errors.ts';
import type { Optimizer } from '../model/optimizer.ts';
import type { TransformerModel } from '../model/transformer-model.ts';
import { latestCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { checkSameRun, type Fingerprint } from './fingerprint.ts';

/** The exact parameters: a Hugging Face directory holds them in float32 on every backend. */
const PARAMETERS = 'parameters.safetensors';
/** A checkpoint's file of the optimizer's settings and moments. */
export const OPTIMIZER_FILE = 'optimizer.safetensors';

/** A training whose checkpoints lie under `directory`. */
export interface Resumable {
  directory: string;
  model: TransformerModel;
  optimizer: Optimizer;
  /** What it was started with. */
  fingerprint: Fingerprint;
}

/** Saves parameters, optimizer and `state`, and what `more` writes beside them, as a checkpoint of its own. */
export async function saveTraining<State extends { step: number }>(
  { directory, model, optimizer, fingerprint }: Resumable,
  state: State,
  more: (path: string) => Promise<void>,
): Promise<void> {
  await saveCheckpoint(directory, { format: 1, ...state, fingerprint }, async (path) => {
    await more(path);
    await model.parameters.save(join(path, PARAMETERS));
    await optimizer.save(join(path, OPTIMIZER_FILE));
  });
}

/**
 * Puts parameters and optimizer where the latest checkpoint left them; without one they stay at their start.
 * @param more reads what `more` of saveTraining wrote
 * @returns the state that was saved; undefined without a checkpoint
 * @throws GradfoldError INVALID_ARGUMENT for a checkpoint of another run
 */
export async function resumeTraining<State extends { step: number }>(
  { directory, model, optimizer, fingerprint }: Resumable,
  more: (path: string) => Promise<void> = async () => undefined,
): Promise<State | undefined> {
  const found = await latestCheckpoint<State>(directory);
  if (!found) return undefined;
  checkSameRun(found.path, found.fingerprint, fingerprint);
  await model.parameters.load(join(found.path, PARAMETERS));
  await optimizer.load(join(found.path, OPTIMIZER_FILE));
  await more(found.path);
  return found.state;
}

/** @throws GradfoldError INVALID_DATA when a loss is no longer finite, before it ruins the parameters. */
export function checkLoss(step: number, loss: number, lr: number): void {
  if (Number.isFinite(loss)) return;
  throw new GradfoldError(
    'INVALID_DATA',
    `loss at step ${step}: expected a finite number, got ${loss}; lower the learning rate (${lr}) or clip the gradient`,
  );
}
