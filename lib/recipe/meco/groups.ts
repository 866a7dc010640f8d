import type { Samples } from '../../data/samples.ts';

/** A table whose rows say what documents they hold. */
export type PiecedSamples = Pick<Samples, 'rows'> & Required<Pick<Samples, 'pieces'>>;

/** Groups of documents by how often the training split has their metadata. */
export interface MetadataGroups {
  /** In the order in which they are shown. */
  names: string[];
  groupOf(metadata: string | null): string;
  /** Metadata of the training split, the most frequent first. */
  frequent: string[];
}

const NONE = 'no metadata';

/**
 * The `single` most frequent metadata each for itself, then those of at least `common` training documents, those of
 * fewer, those of none, and documents that have none.
 */
export function metadataGroups(
  training: PiecedSamples,
  { single, common }: { single: number; common: number },
): MetadataGroups {
  const documents = new Map<string, Set<number>>();
  for (const row of training.rows('train')) {
    for (const { document, metadata } of training.pieces(row)) {
      if (metadata === null) continue;
      const own = documents.get(metadata);
      if (own) own.add(document);
      else documents.set(metadata, new Set([document]));
    }
  }
  const frequent = [...documents.keys()].sort(
    (a, b) => documents.get(b)!.size - documents.get(a)!.size || (a < b ? -1 : 1),
  );
  const singles = new Set(frequent.slice(0, single));
  const [many, few, new_] = [`others of ${common} or more`, `fewer than ${common}`, 'not in training'];
  return {
    names: [...singles, many, few, new_, NONE],
    frequent,
    groupOf(metadata) {
      if (metadata === null) return NONE;
      if (singles.has(metadata)) return metadata;
      const count = documents.get(metadata)?.size ?? 0;
      if (count === 0) return new_;
      return count >= common ? many : few;
    },
  };
}
