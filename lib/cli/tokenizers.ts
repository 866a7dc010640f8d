import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { reencoder } from '../data/reencode.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { readJsonObject } from '../files.ts';
import { raterShape } from '../model/architectures/index.ts';
import type { RaterConfig } from '../model/config.ts';
import type { Reencode } from '../score/rater-scores.ts';
import { UsageError } from './io.ts';

const FILE = 'tokenizer.json';

/** Where the tokenizer of a samples table is: as given, else beside the table, where `tokenize` and `run` put it. */
export function tokenizerBeside(samples: string, given?: string): string | undefined {
  const folder = dirname(samples);
  // The table may be a folder of shards.
  return given ?? [samples, folder, join(folder, 'tokenizer')].find((path) => existsSync(join(path, FILE)));
}

/** Folders beside a table or model, or above it, in which `tokenize` and `run` put a tokenizer. */
const NEAR = ['.', 'tokenizer', 'tokens'];
/** Folders above: a model of a run lies three below it. */
const FARTHEST = 3;

/**
 * The tokenizer that was given, else the nearest one to the paths: in them, beside them, or above.
 * @throws UsageError where there is none
 */
export function tokenizerNear(paths: readonly (string | undefined)[], given?: string): string {
  if (given !== undefined) return given;
  for (const path of paths.filter((each) => each !== undefined)) {
    for (let up = 0, folder = resolve(path); up <= FARTHEST; up++, folder = dirname(folder)) {
      const found = NEAR.map((name) => join(folder, name)).find((place) => existsSync(join(place, FILE)));
      if (found !== undefined) return found;
    }
  }
  throw new UsageError(`no ${FILE} near ${paths.filter(Boolean).join(' or ')}: give --tokenizer`);
}

/**
 * How rows of the tokenizer at `from` become rows of that at `to` for a rater; undefined where they are the same one, or
 * where neither is known, which leaves the tokens as they are.
 * @throws UsageError when only `to` is known
 */
export async function reencodeFor(
  from: string | undefined,
  to: string | undefined,
  config: RaterConfig,
): Promise<Reencode | undefined> {
  if (to === undefined) return undefined;
  if (from === undefined) {
    throw new UsageError('no tokenizer.json beside the samples: give --samples-tokenizer, the one they were made with');
  }
  if (await sameTokenizer(from, to)) return undefined;
  const { learnedPositions } = raterShape(config);
  const longest = learnedPositions || (config.max_position_embeddings as number | undefined);
  return reencoder(await loadTokenizer(from), await loadTokenizer(to), longest);
}

/** Whether two tokenizers, files or folders, are defined alike. */
export async function sameTokenizer(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all(
    [a, b].map((path) => readJsonObject(path.endsWith('.json') ? path : join(path, FILE))),
  );
  return isDeepStrictEqual(x, y);
}
