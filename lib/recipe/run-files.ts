import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileError } from '../files.ts';
import { FILES } from './context.ts';
import { PLAN_FILE } from './plan-training.ts';

/** The files of a run that say what became of its documents. Paths lead to them from where the command runs. */
export interface RunFiles {
  corpus: string;
  samples: string;
  scores: string[];
  /** Those of the trainings that have begun; called after the folder of the training. */
  plans: { name: string; path: string }[];
}

const TRAININGS = 'train';

/**
 * Finds them by the run's conventions, in order of name.
 * @throws GradfoldError NOT_FOUND when the run's folder is not there.
 */
export async function findRunFiles(dir: string): Promise<RunFiles> {
  const files = await readdir(dir, { recursive: true }).catch((error) => {
    throw fileError('read', dir, error);
  });
  const within = (folder: string) => files.filter((file) => !relative(folder, file).startsWith('..')).sort();
  return {
    corpus: join(dir, FILES.corpus),
    samples: join(dir, FILES.samples),
    scores: within(FILES.scores)
      .filter((file) => file.endsWith('.arrow'))
      .map((file) => join(dir, file)),
    plans: within(TRAININGS)
      .filter((file) => basename(file) === PLAN_FILE)
      .map((file) => ({ name: relative(TRAININGS, dirname(file)), path: join(dir, file) })),
  };
}
