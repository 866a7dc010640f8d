import { readFile, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { CorpusDocument } from '../corpus.ts';
import { DebianCache, type AptOptions } from './apt.ts';
import {
  controlParagraphs,
  dictionaryEntries,
  lazyLoadStrings,
  osisToPlainText,
  swordBlocks,
} from './debian-formats.ts';
import { pageToPlainText, tidy } from './html.ts';

/** What a source gives of a document; the rest is the same for the whole package. */
interface Part {
  name: string;
  text: string;
  url?: string;
}

interface DebianSource {
  package: string;
  domain: string;
  licence: string;
  /** Documents below the root of the unpacked package. */
  parts(root: string): AsyncGenerator<Part>;
}

/** Shorter texts are redirects and one-liners. */
const SHORTEST_WORDS = 20;

const SOURCES: DebianSource[] = [
  {
    package: 'sqlite3-doc',
    domain: 'sqlite',
    licence: 'public-domain',
    parts: pages('usr/share/doc/sqlite3', 'https://www.sqlite.org/'),
  },
  {
    package: 'postgresql-doc-15',
    domain: 'postgresql',
    licence: 'PostgreSQL',
    parts: pages('usr/share/doc/postgresql-doc-15/html', 'https://www.postgresql.org/docs/15/'),
  },
  {
    package: 'nodejs-doc',
    domain: 'nodejs',
    licence: 'MIT',
    // all.html repeats the rest.
    parts: pages('usr/share/doc/nodejs/api', 'https://nodejs.org/docs/latest-v18.x/api/', /^all\.html$/),
  },
  {
    package: 'python3.11-doc',
    domain: 'python',
    licence: 'PSF-2.0',
    parts: pages(
      'usr/share/doc/python3.11/html',
      'https://docs.python.org/3.11/',
      /^(genindex.*|search|py-modindex|whatsnew\/changelog)\.html$/,
    ),
  },
  { package: 'dict-foldoc', domain: 'foldoc', licence: 'GFDL-1.1-or-later', parts: foldoc },
  { package: 'r-cran-janeaustenr', domain: 'austen', licence: 'public-domain', parts: austen },
  { package: 'sword-text-web', domain: 'bible', licence: 'public-domain', parts: bible },
  { package: 'fortunes', domain: 'fortunes', licence: 'BSD-3-Clause', parts: fortunes },
];

/**
 * Documentation, a dictionary, novels, a Bible translation and aphorisms out of Debian packages, and the descriptions
 * of all packages that name a homepage. URLs follow from the files' paths by the publishers' schemes.
 */
export async function* debianDocuments(options: AptOptions): AsyncGenerator<CorpusDocument> {
  const cache = await DebianCache.open(options);
  for (const source of SOURCES) {
    const root = await cache.unpacked(source.package);
    options.onProgress?.(`reading ${source.package}`);
    for await (const { name, text, url } of source.parts(root)) {
      if (isShort(text)) continue;
      const { domain, licence } = source;
      yield { id: `${domain}/${name}`, text, domain, ...(url && { url }), source: source.package, licence };
    }
  }
  options.onProgress?.('reading the package descriptions');
  yield* packageDescriptions(cache);
}

function isShort(text: string): boolean {
  return text.split(/\s+/).length < SHORTEST_WORDS;
}

function pages(folder: string, base: string, without?: RegExp): DebianSource['parts'] {
  return async function* (root) {
    const directory = join(root, folder);
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.html'))
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .sort();
    for (const path of paths) {
      if (without?.test(path)) continue;
      const html = await readFile(join(directory, path), 'utf8');
      yield { name: path, text: tidy(pageToPlainText(html)), url: base + path };
    }
  };
}

async function* foldoc(root: string): AsyncGenerator<Part> {
  const folder = join(root, 'usr/share/dictd');
  const index = await readFile(join(folder, 'foldoc.index'), 'utf8');
  const entries = dictionaryEntries(index, await readFile(join(folder, 'foldoc.dict.dz')));
  for (const [i, { headword, text }] of entries.entries())
    yield { name: `${i}`, text: tidy(text), url: `https://foldoc.org/${encodeURIComponent(headword)}` };
}

/** In the order of the package's index. */
const NOVELS = ['emma', 'mansfield-park', 'northanger-abbey', 'persuasion', 'pride-prejudice', 'sense-sensibility'];

async function* austen(root: string): AsyncGenerator<Part> {
  const folder = join(root, 'usr/lib/R/site-library/janeaustenr/data');
  const novels = lazyLoadStrings(await readFile(join(folder, 'Rdata.rdx')), await readFile(join(folder, 'Rdata.rdb')));
  for (const [i, lines] of novels.entries()) {
    const chapters = lines.join('\n').split(/^(?=chapter [ivxlc\d]+)/im);
    for (const [chapter, text] of chapters.entries()) yield { name: `${NOVELS[i]}-${chapter}`, text: tidy(text) };
  }
}

async function* bible(root: string): AsyncGenerator<Part> {
  const folder = join(root, 'usr/share/sword/modules/texts/ztext/engWEB2015eb');
  for (const testament of ['ot', 'nt']) {
    const index = await readFile(join(folder, `${testament}.bzs`));
    const blocks = swordBlocks(index, await readFile(join(folder, `${testament}.bzz`)));
    for (const [i, block] of blocks.entries()) yield { name: `${testament}-${i}`, text: tidy(osisToPlainText(block)) };
  }
}

async function* fortunes(root: string): AsyncGenerator<Part> {
  const folder = join(root, 'usr/share/games/fortunes');
  const files = (await readdir(folder)).filter((name) => !name.includes('.')).sort();
  for (const file of files) {
    const cookies = (await readFile(join(folder, file), 'utf8')).split(/^%$/m);
    for (const [i, text] of cookies.entries()) yield { name: `${file}-${i}`, text: tidy(text) };
  }
}

/**
 * The descriptions of all Debian packages that name a homepage, which is their URL. Errors: UNAVAILABLE where apt-get is
 * missing; IO when the lists cannot be fetched.
 */
export async function* packageDocuments(options: AptOptions): AsyncGenerator<CorpusDocument> {
  const cache = await DebianCache.open(options);
  options.onProgress?.('reading the package descriptions');
  yield* packageDescriptions(cache);
}

async function* packageDescriptions(cache: DebianCache): AsyncGenerator<CorpusDocument> {
  const homepages = new Map<string, string>();
  for (const index of await cache.index('_Packages'))
    for (const fields of controlParagraphs(index))
      if (fields.has('Homepage')) homepages.set(fields.get('Package')!, fields.get('Homepage')!);
  for (const index of await cache.index('_Translation-en')) {
    for (const fields of controlParagraphs(index)) {
      const name = fields.get('Package')!;
      const url = homepages.get(name);
      const text = tidy((fields.get('Description-en') ?? '').replace(/^ \.?$|^ /gm, ''));
      if (url === undefined || isShort(text)) continue;
      homepages.delete(name); // the first description counts where several versions are listed
      yield {
        id: `packages/${name}`,
        text,
        domain: 'packages',
        url,
        source: 'Debian package descriptions',
        licence: 'as the package',
      };
    }
  }
}
