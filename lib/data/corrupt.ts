import { checkFinite, checkInteger, checkObject, invalid } from '../check.ts';
import type { CorpusDocument } from './corpus.ts';
import { Draws } from './corrupt/draws.ts';
import { CORRUPTERS, CORRUPTIONS, materialFor, type Corruption, type Material } from './corrupt/kinds.ts';
import type { LanguageText } from './corrupt/language.ts';
import { cutDocument, originOf, type PieceOptions } from './pieces.ts';
import { SPLITS, splitOf, type Split } from './splits.ts';

export { CORRUPTIONS, type Corruption } from './corrupt/kinds.ts';
export type { LanguageText } from './corrupt/language.ts';

export interface CorruptOptions {
  /** Of the corruption and of the splits: give the one that the documents are divided with. */
  seed: number;
  /** Share of corrupted documents in each split, in [0, 1]; one that is not named stays clean. */
  shares: Partial<Record<Split, number>>;
  /** Shares of the splits themselves, as the documents are divided. */
  fractions: Record<Split, number>;
  /** In equal parts; default: all of them. */
  kinds?: readonly Corruption[];
  /** Cuts documents into pieces first, so that each piece is corrupted or not; default: documents stay whole. */
  pieces?: PieceOptions;
  /** Texts of other languages; default: the Declaration of Human Rights in hundreds of them, fetched into `cacheDir`. */
  languages?: readonly LanguageText[];
  /** Where fetched packages are kept; default '.cache'. */
  cacheDir?: string;
  signal?: AbortSignal;
  onProgress?(message: string): void;
}

/** Splits whose documents judge what was learnt on the others: their boilerplate and languages are not seen before. */
const HELD_OUT: ReadonlySet<Split> = new Set(['target', 'validation']);

/**
 * Documents of which a share is corrupted, for judging methods that tell good data from bad: words shuffled, 10-20% of
 * the characters substituted, text misread in a wrong encoding, a line of boilerplate repeated, or another language in
 * the text's place. Boilerplate lines and languages of the splits target and validation occur in no other split.
 *
 * Columns that come: `label`, 'clean' or 'corrupted', and `corruption`, one of CORRUPTIONS or 'none'. A label that a
 * document had before goes to `original_label`. A document that its corruption leaves as it was (one word cannot be
 * shuffled) stays clean. What happens to a document depends on the seed, its id and its split alone; those corrupted
 * at one share are so, in the same way, at every higher one.
 * @throws GradfoldError INVALID_ARGUMENT for misuse; UNAVAILABLE, IO or INVALID_FILE when the texts of other languages
 *   cannot be fetched.
 */
export async function* corruptDocuments(
  documents: AsyncIterable<CorpusDocument> | Iterable<CorpusDocument>,
  options: CorruptOptions,
): AsyncGenerator<CorpusDocument> {
  checkObject('options', options);
  const { fractions, pieces, signal } = options;
  const seed = checkInteger('seed', options.seed, 0);
  const shares = checkShares(options.shares);
  const kinds = checkKinds(options.kinds ?? CORRUPTIONS);
  const materials = await materialsOf(options, kinds);
  for await (const document of documents) {
    signal?.throwIfAborted();
    const split = splitOf(originOf(document), seed, fractions);
    for (const piece of pieces ? cutDocument(document, pieces) : [document]) {
      const { label, ...rest } = piece;
      const draws = new Draws(seed, `corrupt/${piece.id}`);
      // Both are drawn whatever the share, so that what is drawn after them does not depend on it.
      const chosen = draws.uniform() < (shares[split] ?? 0);
      const kind = draws.pick(kinds);
      const text = chosen ? CORRUPTERS[kind](piece.text, draws, materials[split]) : piece.text;
      const corrupted = text !== piece.text;
      yield {
        ...rest,
        text,
        ...(typeof label === 'string' && { original_label: label }),
        label: corrupted ? 'corrupted' : 'clean',
        corruption: corrupted ? kind : 'none',
      };
    }
  }
}

async function materialsOf(options: CorruptOptions, kinds: readonly Corruption[]): Promise<Record<Split, Material>> {
  const { cacheDir = '.cache', signal, onProgress } = options;
  const { declarations } = await import('./demo/declarations.ts');
  const languages = kinds.includes('language')
    ? (options.languages ?? (await declarations({ cacheDir, signal, onProgress })))
    : [];
  const seen = materialFor(false, kinds, languages);
  const unseen = materialFor(true, kinds, languages);
  return Object.fromEntries(SPLITS.map((split) => [split, HELD_OUT.has(split) ? unseen : seen])) as Record<
    Split,
    Material
  >;
}

function checkShares(shares: Partial<Record<Split, number>>): Partial<Record<Split, number>> {
  checkObject('shares', shares);
  for (const [split, share] of Object.entries(shares)) {
    if (!SPLITS.includes(split as Split)) throw invalid('shares', `splits among ${SPLITS.join(', ')}`, split);
    checkFinite(`shares.${split}`, share, { min: 0, max: 1 });
  }
  return shares;
}

function checkKinds(kinds: readonly Corruption[]): readonly Corruption[] {
  if (kinds.length === 0) throw invalid('kinds', 'at least one corruption', kinds);
  const unknown = kinds.find((kind) => !CORRUPTIONS.includes(kind));
  if (unknown !== undefined) throw invalid('kinds', `some of ${CORRUPTIONS.join(', ')}`, unknown);
  return kinds;
}
