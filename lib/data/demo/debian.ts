import type { CorpusDocument } from '../corpus.ts';
export async function* debianDocuments(_: { cacheDir: string }): AsyncGenerator<CorpusDocument> {}
