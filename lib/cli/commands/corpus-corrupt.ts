import { InvalidArgumentError } from 'commander';
import { openCorpus, writeCorpus, type CorpusDocument } from '../../data/corpus.ts';
import { corpusDocuments } from '../../data/corpus-documents.ts';
import { CORRUPTIONS, corruptDocuments, type Corruption } from '../../data/corrupt.ts';
import { DEFAULT_SHARES } from '../../recipe/schema.ts';
import { claimOutput, defineCommand, forceOption, option, outOption, positiveInteger, share } from '../command.ts';

export const corpusCorrupt = defineCommand<{
  out: string;
  share: number;
  targetShare: number;
  validationShare: number;
  kinds?: readonly Corruption[];
  pieces?: number;
  perDocument?: number;
  cacheDir: string;
  force: boolean;
}>({
  usage: 'corpus corrupt <corpus>',
  description: 'Corrupt a share of the documents in five ways, and label them, for judging what finds them.',
  example: 'gradfold corpus corrupt corpus.arrow --share 0.3 --pieces 900 --out noisy.arrow',
  limits: 'documents',
  options: [
    outOption('the corpus table'),
    option('--share <x>', 'share of corrupted documents in the splits train and proxy', share, 0.3),
    option('--target-share <x>', 'share in the split target', share, 0),
    option('--validation-share <x>', 'share in the split validation', share, 0),
    option('--kinds <names>', `corruptions, parted by commas (default: ${CORRUPTIONS.join(', ')})`, parseKinds),
    option('--pieces <n>', 'cut documents into pieces of at most n characters first', positiveInteger),
    option('--per-document <n>', 'with --pieces: only so many of a document', positiveInteger),
    option('--cache-dir <path>', 'where downloads are kept', String, '.cache'),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, force, seed, limit, share, targetShare, validationShare, cacheDir, kinds = CORRUPTIONS } = options;
    const corpus = await openCorpus(args[0] as string);
    await claimOutput(out, force);
    const documents = corruptDocuments(corpusDocuments(corpus, limit), {
      seed,
      shares: { train: share, proxy: share, target: targetShare, validation: validationShare },
      fractions: DEFAULT_SHARES,
      kinds,
      pieces:
        options.pieces === undefined ? undefined : { characters: options.pieces, perDocument: options.perDocument },
      cacheDir,
      signal,
      onProgress: (message) => progress.line(message),
    });
    const corruptions = Object.fromEntries(['none', ...kinds].map((name) => [name, 0]));
    const written = await writeCorpus(out, counted(documents, corruptions), { signal });
    const counts = Object.entries(corruptions).map(([name, count]) => `${name} ${count}`);
    return {
      json: { path: out, ...written, corruptions },
      text: `${out}: ${written.documents} documents; ${counts.join(', ')}`,
    };
  },
});

function parseKinds(text: string): Corruption[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => !CORRUPTIONS.includes(name as Corruption)))
    throw new InvalidArgumentError(`expected some of ${CORRUPTIONS.join(', ')}.`);
  return names as Corruption[];
}

async function* counted(
  documents: AsyncIterable<CorpusDocument>,
  corruptions: Record<string, number>,
): AsyncGenerator<CorpusDocument> {
  for await (const document of documents) {
    corruptions[String(document.corruption)]++;
    yield document;
  }
}
