import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Option } from 'commander';
import { DEFAULT_PREFIX, DEFAULT_SUFFIX } from '../../condition/condition-document.ts';
import { conditionInto, type ConditionReport } from '../../condition/condition-into.ts';
import { METADATA_FORMS, type MetadataForm } from '../../condition/metadata-forms.ts';
import { MISSING_METADATA, type MissingMetadata } from '../../condition/metadata-reader.ts';
import type { PackCounts } from '../../condition/pack/counts.ts';
import { PACK_STRATEGIES, type PackStrategy } from '../../condition/pack/row-packer.ts';
import { DEFAULT_SHARES } from '../../recipe/schema.ts';
import { claimFolder, defineCommand, forceOption, number, option, outOption, positiveInteger } from '../command.ts';
import { unescaped } from '../escapes.ts';
import { UsageError } from '../io.ts';
import { formatTable } from '../table.ts';

/** Of `--out`, what this command writes. */
const CONTENTS =
  /^(conditioned|plain|hosts\.jsonl|condition\.json|tokenizer(_config)?\.json|state\.json|shards\.journal)$/;

export const condition = defineCommand<{
  out: string;
  tokenizer: string;
  length: number;
  metadata?: MetadataForm | 'none';
  template?: string;
  urlColumn: string;
  missing: MissingMetadata;
  top: number;
  hosts?: string;
  prefix: string;
  suffix: string;
  trainOnMetadata: boolean;
  pack: PackStrategy;
  crossDocumentAttention: boolean;
  cooldown: number;
  shardDocuments?: number;
  threads?: number;
  force: boolean;
}>({
  usage: 'condition <corpus>',
  description:
    'Put metadata before documents and pack them into rows, with rows without metadata for the cooldown; a killed run goes on where it was.',
  example: 'gradfold condition corpus.arrow --tokenizer tokens --length 512 --out meco',
  limits: 'documents',
  options: [
    outOption('the folder of conditioned/, plain/ and tokenizer.json'),
    option('--tokenizer <path>', 'a Hugging Face tokenizer.json or its folder').makeOptionMandatory(),
    option('--length <n>', 'tokens a row', positiveInteger, 512),
    new Option('--metadata <form>', 'what the URL becomes (default: host)').choices([...METADATA_FORMS, 'none']),
    option('--template <text>', 'instead: text with {column} and {column:form}', unescaped),
    option('--url-column <name>', 'column of the URL', String, 'url'),
    new Option('--missing <what>', 'what is done about missing and malformed metadata')
      .choices(MISSING_METADATA)
      .default('drop-prefix'),
    option('--top <percent>', 'share of the hosts that top-hosts names', number, 2),
    option('--hosts <path>', 'a hosts.jsonl that says what stands for each host'),
    option('--prefix <text>', 'before the metadata', unescaped).default(DEFAULT_PREFIX, JSON.stringify(DEFAULT_PREFIX)),
    option('--suffix <text>', 'after them', unescaped).default(DEFAULT_SUFFIX, JSON.stringify(DEFAULT_SUFFIX)),
    option('--train-on-metadata', 'metadata, prefix and suffix count in the loss too').default(false),
    new Option('--pack <strategy>', 'how documents become rows').choices(PACK_STRATEGIES).default('best-fit'),
    option('--cross-document-attention', 'let attention cross the documents of a row').default(false),
    option('--cooldown <share>', 'share of the training documents kept for the cooldown', number, 0.1),
    option('--shard-documents <n>', 'documents of a shard, each packed by itself (default: 65536)', positiveInteger),
    option('--threads <n>', 'shards made at a time (default: all cores)', positiveInteger),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, force, pack, top, threads, ...rest } = options;
    if (rest.template !== undefined && rest.metadata !== undefined) {
      throw new UsageError('condition: give at most one of --metadata and --template');
    }
    await claimFolder(out, { contents: CONTENTS }, force);
    if (force) await rm(`${out}.partial`, { recursive: true, force: true });
    const report = await conditionInto(out, args[0] as string, {
      ...rest,
      strategy: pack,
      topPercent: top,
      threads: threads ?? availableParallelism(),
      fractions: DEFAULT_SHARES,
      signal,
      onProgress: (...what) => progress.update(...what),
    });
    return { json: { path: out, ...report }, text: `${out}: ${describe(report)}` };
  },
});

function describe({ documents, shards, metadata, conditioned, plain, evaluation }: ConditionReport): string {
  const { given, missing, malformed } = metadata;
  const head = ['', 'rows', 'documents', 'tokens', 'predicted', 'cut', 'truncated', 'padding'];
  const row = (name: string, counts: PackCounts): string[] => [
    name,
    ...[counts.rows, counts.documents, counts.tokens, counts.predictedTokens, counts.cutDocuments].map(String),
    String(counts.truncatedTokens),
    `${(100 * counts.paddingShare).toFixed(2)}%`,
  ];
  const rows = [...(conditioned ? [row('conditioned', conditioned)] : []), row('plain', plain)];
  return [
    `${documents} documents in ${shards} shards; metadata given ${given}, missing ${missing}, malformed ${malformed}`,
    formatTable(head, rows),
    `to evaluate: ${evaluation.rows} rows of ${evaluation.documents} documents, ${evaluation.predictedTokens} tokens predicted` +
      (evaluation.withoutRoom > 0 ? `; ${evaluation.withoutRoom} documents left out, no room after metadata` : ''),
  ].join('\n');
}
