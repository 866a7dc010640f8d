import { rm } from 'node:fs/promises';
import { scoreShard, shardPath, type ScoredShard, type ShardScoring } from '../score/shards.ts';
import type { CommandCall } from './command.ts';
import type { ShardFlags } from './shard-options.ts';

/** Rows between two saves, at least; whole batches of them. */
const SAVED_ROWS = 256;

export interface ScoreShardFlags extends ShardFlags {
  out: string;
  batch: number;
  force: boolean;
}

/** Scores the given rows, or a part of them; goes on where a killed call was. */
export async function scoreShardOf(
  { options, io: { signal }, progress }: Pick<CommandCall<ScoreShardFlags>, 'options' | 'io' | 'progress'>,
  scoring: Pick<ShardScoring, 'rows' | 'shard' | 'columns' | 'score' | 'fingerprint' | 'metadata'>,
): Promise<ScoredShard & { part: string }> {
  const { out, batch, force } = options;
  const { shard } = scoring;
  if (force) await rm(shardPath(out, shard), { force: true });
  const scored = await scoreShard({
    ...scoring,
    out,
    chunk: batch * Math.ceil(SAVED_ROWS / batch),
    onProgress: ({ done, total }) => progress.update('score', done, total, 'rows'),
    signal,
  });
  return { ...scored, part: shard ? `, part ${shard.index} of ${shard.count}` : '' };
}
