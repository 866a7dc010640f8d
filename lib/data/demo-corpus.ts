import { createHash } from 'node:crypto';
import type { CorpusDocument } from './corpus.ts';

export interface DemoCorpusOptions {
  /** Where fetched packages are kept. */
  cacheDir: string;
  /** Also the documentation and books that Debian packages carry, and package descriptions with their homepages. */
  withDebian?: boolean;
  signal?: AbortSignal;
  onProgress?(message: string): void;
}

/**
 * The default corpus: State of the Union addresses, the chapters of Moby Dick, and mails labelled ham or spam (column
 * label; no other column tells them apart), from three npm packages of fixed version and digest. Texts that came
 * before are left out. Columns: id, text, domain, url, label, source, licence.
 *
 * Errors: UNAVAILABLE without npm, or with `withDebian` without apt-get and dpkg-deb; IO when a download fails, with
 * the command and what it said; INVALID_FILE when a tarball is not the expected one.
 */
export async function* demoCorpus(options: DemoCorpusOptions): AsyncGenerator<CorpusDocument> {
  const seen = new Set<string>();
  for await (const document of allDocuments(options)) {
    options.signal?.throwIfAborted();
    const digest = createHash('sha256').update(document.text).digest('base64');
    if (document.text === '' || seen.has(digest)) continue;
    seen.add(digest);
    yield document;
  }
}

async function* allDocuments(options: DemoCorpusOptions): AsyncGenerator<CorpusDocument> {
  const { fetchPackage, readTarball } = await import('./demo/npm-package.ts');
  const { TEXT_PACKAGES } = await import('./demo/stdlib.ts');
  for (const { pinned, files, document } of TEXT_PACKAGES) {
    const tarball = await fetchPackage(pinned, options.cacheDir, options);
    options.onProgress?.(`reading ${pinned.name}`);
    const documents: CorpusDocument[] = [];
    for (const [path, bytes] of await readTarball(tarball, files)) {
      options.signal?.throwIfAborted();
      const found = await document(path, bytes);
      if (found !== null) documents.push(found);
    }
    // By id, a digest for mails: in the order of folders their place would tell the label.
    yield* documents.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
  if (options.withDebian) yield* (await import('./demo/debian.ts')).debianDocuments(options);
}
