import { Option } from 'commander';
import { writeCorpus } from '../../data/corpus.ts';
import { readDocuments } from '../../data/readers.ts';
import { claimFolder, defineCommand, forceOption, option, outOption, positiveInteger } from '../command.ts';

/** Of `--out`, where it is a folder of shards. */
const SHARDS = /^corpus-.*\.arrow$/;

export const ingest = defineCommand<{
  out: string;
  textColumn: string;
  idColumn: string;
  domain?: string;
  onError: 'fail' | 'skip';
  deduplicate: boolean;
  shardDocuments?: number;
  force: boolean;
}>({
  usage: 'ingest <files...>',
  description: 'Read JSON lines (.jsonl, .gz, .zst), text or Parquet files or folders into a corpus table.',
  example: 'gradfold ingest docs.jsonl.gz --out corpus.arrow --on-error skip',
  limits: 'documents',
  options: [
    outOption('the corpus table'),
    option('--text-column <name>', 'field that holds the text', String, 'text'),
    option('--id-column <name>', 'field that holds the id; one is made where there is none', String, 'id'),
    option('--domain <name>', 'domain of documents that state none'),
    new Option('--on-error <what>', 'what to do about a corrupt row').choices(['fail', 'skip']).default('fail'),
    new Option('--deduplicate', 'leave out documents whose text came before').default(false),
    option('--shard-documents <n>', 'a folder of files of so many documents instead of one file', positiveInteger),
    forceOption,
  ],
  async run({ args, options, io, progress }) {
    const { out, force, deduplicate, shardDocuments, ...reading } = options;
    await claimFolder(out, { contents: SHARDS }, force);
    let skipped = 0;
    const documents = readDocuments(args[0] as string[], {
      ...reading,
      signal: io.signal,
      onSkip(message) {
        skipped++;
        progress.line(`skipped ${message}`);
      },
      onProgress: ({ bytesRead, bytesTotal }) =>
        progress.update('ingest', Math.round(bytesRead / 1e5) / 10, Math.round(bytesTotal / 1e5) / 10, 'MB'),
    });
    const written = await writeCorpus(out, documents, { deduplicate, shardDocuments, signal: io.signal });
    const shards = shardDocuments === undefined ? '' : ` in ${written.shards} shards`;
    return {
      json: { path: out, ...written, skipped },
      text: `${out}: ${written.documents} documents${shards}, ${written.duplicates} duplicates and ${skipped} corrupt rows left out`,
    };
  },
});
