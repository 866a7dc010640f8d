import { checkInteger } from '../check.ts';
import type { CorpusDocument } from './corpus.ts';

export interface PieceOptions {
  /** Characters that a piece has at most. */
  characters: number;
  /** Shorter pieces are left out; default half of `characters`. */
  minCharacters?: number;
  /** Only so many pieces of a document, from evenly spread places; default: all. */
  perDocument?: number;
}

/**
 * A document cut into pieces, between words where it has any, each a document of its own: id 'ID#0', 'ID#1', … by
 * place, its metadata, and in the column `origin` the id of the whole, which decides the split of all its pieces.
 */
export function* cutDocument(document: CorpusDocument, options: PieceOptions): Generator<CorpusDocument> {
  const characters = checkInteger('characters', options.characters, 1);
  const minCharacters = checkInteger(
    'minCharacters',
    options.minCharacters ?? Math.ceil(characters / 2),
    1,
    characters,
  );
  const perDocument = checkInteger('perDocument', options.perDocument ?? Number.MAX_SAFE_INTEGER, 1);
  const pieces = [...cut(document.text, characters)].entries();
  const kept = [...pieces].filter(([, text]) => text.length >= minCharacters);
  const count = Math.min(kept.length, perDocument);
  for (let i = 0; i < count; i++) {
    const [place, text] = kept[Math.floor((i * kept.length) / count)];
    yield { ...document, id: `${document.id}#${place}`, text, origin: originOf(document) };
  }
}

/** The id of the document that this one was cut from; its own when it is whole. */
export function originOf(document: CorpusDocument): string {
  return document.origin ?? document.id;
}

function* cut(text: string, characters: number): Generator<string> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + characters, text.length);
    if (end < text.length) {
      const space = text.slice(start, end + 1).search(/\s\S*$/);
      if (space > 0) end = start + space;
      // Not between the two halves of a character outside the basic plane.
      else if (end - start > 1 && text.codePointAt(end - 1)! > 0xffff) end--;
    }
    yield text.slice(start, end).trim();
    start = end;
  }
}
