import type { Corpus, CorpusDocument } from './corpus.ts';

/** The documents of a corpus table, or the first `limit` of them, with all their columns. */
export function* corpusDocuments(corpus: Corpus, limit = Infinity): Generator<CorpusDocument> {
  for (let i = 0; i < Math.min(limit, corpus.count); i++) {
    const values = corpus.columns.map((name) => [name, corpus.value(name, i) ?? undefined]);
    yield { ...Object.fromEntries(values), id: corpus.id(i), text: corpus.text(i) };
  }
}
