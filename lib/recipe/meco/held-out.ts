import { openSamples } from '../../data/samples.ts';
import type { PackedSamples } from '../../data/samples.ts';
import { loadTokenizer, type Tokenizer } from '../../data/tokenizer.ts';
import { continuationQuestions, type ContinuationQuestion } from '../../evaluate/continuation-questions.ts';
import { prefixTokens } from '../../evaluate/harness.ts';
import { randomPermutation, streamOf } from '../../random.ts';
import { FILES } from '../context.ts';
import { rowsDir, type MecoContext } from './files.ts';
import { metadataGroups, type MetadataGroups } from './groups.ts';

/** What stands before a held-out text: nothing, its own metadata, or those of another one. */
export const CONDITIONS = ['none', 'own', 'other'] as const;
export type Condition = (typeof CONDITIONS)[number];

/** What all models of a run are judged on. */
export interface HeldOut {
  tokenizer: Tokenizer;
  /** Rows of one piece each: BOS and text. */
  samples: PackedSamples;
  rows: Uint32Array;
  groups: MetadataGroups;
  /** The group of a row's metadata. */
  groupOf(row: number): string;
  /** Begin token and metadata, as they stand before a row. */
  rowPrefix(row: number, condition: Condition): Int32Array;
  questions: ContinuationQuestion[];
  /** The same before a question. */
  questionPrefix(question: number, condition: Condition): Int32Array;
}

/** Draws the rows and questions of a run; the same ones every time. */
export async function heldOut(context: MecoContext): Promise<HeldOut> {
  const { seed, evaluate } = context.recipe;
  const table = (name: string) => openSamples(context.path(rowsDir('meco'), name)) as Promise<PackedSamples>;
  const [samples, conditioned, corpus, tokenizer] = await Promise.all([
    table('plain'),
    table('conditioned'),
    context.corpus(),
    loadTokenizer(context.path(FILES.tokenizer)),
  ]);
  const all = samples.rows('validation');
  const order = randomPermutation(all.length, seed, streamOf('meco held out'));
  const rows = order.subarray(0, evaluate.rows).map((place) => all[place]);
  const metadataOf = (row: number): string | null => samples.pieces(row)[0].metadata;
  const groups = metadataGroups(conditioned, { single: evaluate.hosts, common: evaluate.common });

  const byDocument = new Map<string, string | null>();
  for (const row of all) byDocument.set(corpus.id(samples.document(row)), metadataOf(row));
  const documents = [...new Set(Array.from(all, (row) => samples.document(row)))];
  const questions = continuationQuestions(
    documents.map((i) => ({ id: corpus.id(i), text: corpus.text(i) })),
    { ...evaluate.questions, seed },
  );

  const prefixed = (metadata: string | null): Int32Array => {
    const { prefix, suffix } = context.recipe.metadata;
    const text = metadata === null ? null : `${prefix}${metadata}${suffix}`;
    return prefixTokens(tokenizer, text, tokenizer.beginOfTextId);
  };
  /** Own metadata of each of some texts, and those that stand before it as another's. */
  const prefixes = (own: (string | null)[], stream: string) => {
    const other = otherMetadata(own, randomPermutation(own.length, seed, streamOf(stream)));
    return (i: number, condition: Condition): Int32Array =>
      prefixed({ none: null, own: own[i], other: other[i] }[condition]);
  };
  const ofRows = prefixes(Array.from(rows, metadataOf), 'meco other rows');
  const places = new Map(Array.from(rows, (row, i) => [row, i]));
  return {
    tokenizer,
    samples,
    rows,
    groups,
    groupOf: (row) => groups.groupOf(metadataOf(row)),
    rowPrefix: (row, condition) => ofRows(places.get(row)!, condition),
    questions,
    questionPrefix: prefixes(
      questions.map(({ document }) => byDocument.get(document)!),
      'meco other questions',
    ),
  };
}

/** For each text with metadata those of another text, in a drawn order, that are not the same; null where it has none. */
export function otherMetadata(own: readonly (string | null)[], order: Uint32Array): (string | null)[] {
  return own.map((metadata, i) => {
    if (metadata === null) return null;
    for (let step = 0; step < order.length; step++) {
      const candidate = own[order[(i + step) % order.length]];
      if (candidate !== null && candidate !== metadata) return candidate;
    }
    return metadata; // all texts have the same
  });
}
