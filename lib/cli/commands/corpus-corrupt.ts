import { openCorpus, writeCorpus, type CorpusDocument } from '../../data/corpus.ts';
import { corpusDocuments } from '../../data/corpus-documents.ts';
import { corruptDocuments } from '../../data/corrupt.ts';
import { DEFAULT_SHARES } from '../../recipe/schema.ts';
import { claimOutput, defineCommand, forceOption, number, option, outOption, positiveInteger } from '../command.ts';

export const corpusCorrupt = defineCommand<{
  out: string;
  share: number;
  targetShare: number;
  validationShare: number;
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
    option('--share <x>', 'share of corrupted documents in the splits train and proxy', number, 0.3),
    option('--target-share <x>', 'share in the split target', number, 0),
    option('--validation-share <x>', 'share in the split validation', number, 0),
    option('--pieces <n>', 'cut documents into pieces of at most n characters first', positiveInteger),
    option('--per-document <n>', 'with --pieces: only so many of a document', positiveInteger),
    option('--cache-dir <path>', 'where downloads are kept', String, '.cache'),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, force, seed, limit, share, targetShare, validationShare, cacheDir } = options;
    const corpus = await openCorpus(args[0] as string);
    await claimOutput(out, force);
    const documents = corruptDocuments(corpusDocuments(corpus, limit), {
      seed,
      shares: { train: share, proxy: share, target: targetShare, validation: validationShare },
      fractions: DEFAULT_SHARES,
      pieces:
        options.pieces === undefined ? undefined : { characters: options.pieces, perDocument: options.perDocument },
      cacheDir,
      signal,
      onProgress: (message) => progress.line(message),
    });
    const corruptions: Record<string, number> = {};
    const written = await writeCorpus(out, counted(documents, corruptions), { signal });
    const found = Object.entries(corruptions).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      json: { path: out, ...written, corruptions },
      text: `${out}: ${written.documents} documents; ${found.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    };
  },
});

async function* counted(
  documents: AsyncIterable<CorpusDocument>,
  corruptions: Record<string, number>,
): AsyncGenerator<CorpusDocument> {
  for await (const document of documents) {
    const name = String(document.corruption);
    corruptions[name] = (corruptions[name] ?? 0) + 1;
    yield document;
  }
}
