import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../check.ts';
import { writeTextAtomically } from '../atomic-file.ts';
import type { Backend } from '../backend/types.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { readJsonObject } from '../files.ts';
import { SequenceRater } from '../model/sequence-rater.ts';

/** What `scorer.json` says: what the rater's scores are called, and how it was made. */
export interface ScorerRecord {
  /** Name of the scores it gives: of one that was trained on scores, their name. */
  column: string;
  /** Of its training. */
  [result: string]: unknown;
}

/** Beside the rater's own files; written last, so that a directory with it is complete. */
export const SCORER_FILE = 'scorer.json';
const TOKENIZER_FILE = 'tokenizer.json';

/**
 * Saves a trained rater as a SequenceRater directory with `scorer.json` and, where it is given, the tokenizer whose
 * tokens the rater reads.
 */
export async function saveScorer(
  directory: string,
  rater: SequenceRater,
  record: ScorerRecord,
  tokenizer?: Tokenizer,
): Promise<void> {
  await rater.savePretrained(directory);
  await tokenizer?.save(directory);
  await writeTextAtomically(join(directory, SCORER_FILE), `${JSON.stringify({ format: 1, ...record }, null, 2)}\n`);
}

export interface LoadedScorer {
  rater: SequenceRater;
  record: ScorerRecord;
  /** Folder of the tokenizer whose tokens the rater reads, where one was saved. */
  tokenizer?: string;
}

/** Loads what saveScorer wrote. */
export async function loadScorer(
  directory: string,
  options: { backend: Backend; signal?: AbortSignal },
): Promise<LoadedScorer> {
  const path = join(directory, SCORER_FILE);
  const { format, ...record } = await readJsonObject(path);
  if (format !== 1) throw invalid(`${path}: format`, '1', format, { code: 'INVALID_FILE' });
  return {
    rater: await SequenceRater.fromPretrained(directory, options),
    record: record as unknown as ScorerRecord,
    ...(existsSync(join(directory, TOKENIZER_FILE)) && { tokenizer: directory }),
  };
}
