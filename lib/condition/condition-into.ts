import { join } from 'node:path';
import { checkFinite, checkInteger, checkOptions, invalid, type OptionNames } from '../check.ts';
import { openCorpus, type Corpus } from '../data/corpus.ts';
import { MOST_LENGTH, PACKED_NAME } from '../data/packed-file.ts';
import { shardName } from '../data/shards.ts';
import type { Split } from '../data/splits.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { digest, digestCorpus, digestTokenizer, type Fingerprint } from '../train/fingerprint.ts';
import { DEFAULT_PREFIX, DEFAULT_SUFFIX } from './condition-document.ts';
import type { ConditionSettings, EvaluationCounts, ShardCounts, ShardTask } from './condition-shard.ts';
import { CONDITION_FILES, ConditionWork } from './condition-work.ts';
import { hostNames, namedHosts } from './host-names.ts';
import { readHosts, type HostEntry } from './host-table.ts';
import type { MetadataForm } from './metadata-forms.ts';
import { MetadataReader, type MetadataCounts, type MetadataOptions, type MissingMetadata } from './metadata-reader.ts';
import { sumCounts, summed, type PackCounts } from './pack/counts.ts';
import { RowPacker, type PackOptions } from './pack/row-packer.ts';
import { runShards } from './shard-pool.ts';

export interface ConditionIntoOptions extends PackOptions {
  /** A tokenizer.json or its folder. */
  tokenizer: string;
  /** What the URL becomes; default 'host'. 'none': all training documents go without metadata, into the plain table. */
  metadata?: MetadataForm | 'none';
  /** Instead of `metadata`: text with {column} and {column:form}; see MetadataOptions. */
  template?: string;
  /** Default 'url'. */
  urlColumn?: string;
  /** Default 'drop-prefix'. */
  missing?: MissingMetadata;
  /** Form 'top-hosts', without `hosts`: the share of the hosts that are named, in percent; default 2. */
  topPercent?: number;
  /** Forms 'hash', 'uuid' and 'top-hosts': a hosts.jsonl that says what stands for each host, instead of a new one. */
  hosts?: string;
  /** Default 'URL: '. */
  prefix?: string;
  /** Default two line breaks. */
  suffix?: string;
  /** Metadata, prefix, suffix and begin token count in the loss as well; default false. */
  trainOnMetadata?: boolean;
  /** Share of the training documents that only the cooldown sees; default 0.1. */
  cooldown?: number;
  seed: number;
  /** Expected share of documents in every split. */
  fractions: Record<Split, number>;
  /** Only the first documents of the corpus are taken. */
  limit?: number;
  /** Documents of a shard, each packed by itself; default 65536. The result depends on it, but not on `threads`. */
  shardDocuments?: number;
  /** Shards made at a time, each by a thread of its own; default 1. */
  threads?: number;
  signal?: AbortSignal;
  onProgress?(what: 'count hosts' | 'condition', done: number, total: number, unit: string): void;
}

/** What was made of a corpus; condition.json. */
export interface ConditionReport {
  documents: number;
  shards: number;
  metadata: MetadataCounts;
  /** Packed rows of the training documents with metadata; null for the form 'none'. */
  conditioned: PackCounts | null;
  /** Those of the documents that were held back for the cooldown; for the form 'none', of all. */
  plain: PackCounts;
  evaluation: EvaluationCounts;
}

const OPTIONS: OptionNames<ConditionIntoOptions> = {
  length: true,
  strategy: true,
  bufferTokens: true,
  crossDocumentAttention: true,
  tokenizer: true,
  metadata: true,
  template: true,
  urlColumn: true,
  missing: true,
  topPercent: true,
  hosts: true,
  prefix: true,
  suffix: true,
  trainOnMetadata: true,
  cooldown: true,
  seed: true,
  fractions: true,
  limit: true,
  shardDocuments: true,
  threads: true,
  signal: true,
  onProgress: true,
};

const DEFAULT_SHARD = 2 ** 16;
const DEFAULT_COOLDOWN = 0.1;
const DEFAULT_TOP_PERCENT = 2;

/**
 * Conditions and packs a corpus for MeCo (Gao et al. 2025) into a folder: conditioned/ and plain/, each the shards of a
 * packed table; the tokenizer; condition.json; and hosts.jsonl where hosts go by other names. Memory holds a record batch
 * and a packing buffer a thread. Until all is there the folder is called `dir`.partial; a call that was killed is gone on
 * with by the same call, which makes the shards that are missing and ends with the same bits.
 * @param corpus a corpus table: file, folder of shards, or list of files
 * @throws GradfoldError INVALID_ARGUMENT, also when `dir`.partial belongs to other options, saying which; INVALID_DATA for an
 *   unknown column, or metadata that must not be missing; UNSUPPORTED for a shard of more than a file can hold; rejects with
 *   `signal.reason` on abort, leaving `dir`.partial to go on from
 */
export async function conditionInto(
  dir: string,
  corpus: string | readonly string[],
  options: ConditionIntoOptions,
): Promise<ConditionReport> {
  checkOptions('options', options, OPTIONS);
  const { signal, onProgress } = options;
  const table = await openCorpus(corpus);
  const threads = checkInteger('threads', options.threads ?? 1, 1);
  const settings = settingsOf(options, table);
  const given = options.hosts === undefined ? undefined : await readHosts(options.hosts);
  const plan = planOf(options, table, settings);
  const work = await ConditionWork.open(dir, await fingerprintOf(options, plan, given));
  try {
    if (work.report === null) {
      await (await loadTokenizer(options.tokenizer)).save(work.folder);
      const { counts } = work;
      const tasks = plan.tasks.filter(({ index }) => !counts.has(index));
      const before = plan.tasks.reduce((sum, { index, begin, end }) => sum + (counts.has(index) ? end - begin : 0), 0);
      await runShards(tasks, {
        corpus,
        tokenizer: work.folder,
        folder: work.folder,
        settings: await withNames(settings, table, plan.documents, work, options, given),
        threads,
        signal,
        onShard: (index, counts) => work.add(index, counts),
        onProgress: (done) => onProgress?.('condition', before + done, plan.documents, 'documents'),
      });
      await work.complete({ documents: plan.documents, shards: plan.tasks.length, ...total([...counts.values()]) });
    }
    return await work.commit();
  } finally {
    await work.close();
  }
}

interface ConditionPlan {
  documents: number;
  shardDocuments: number;
  settings: ConditionSettings;
  tasks: ShardTask[];
}

function planOf(options: ConditionIntoOptions, corpus: Corpus, settings: ConditionSettings): ConditionPlan {
  const documents = Math.min(corpus.count, checkInteger('limit', options.limit ?? corpus.count, 0));
  const shardDocuments = checkInteger('shardDocuments', options.shardDocuments ?? DEFAULT_SHARD, 1);
  const shards = Math.max(1, Math.ceil(documents / shardDocuments)); // the first one is written even when empty
  const tasks = Array.from({ length: shards }, (_, index) => {
    const name = shardName(PACKED_NAME, index, shards);
    return {
      index,
      begin: index * shardDocuments,
      end: Math.min(documents, (index + 1) * shardDocuments),
      conditioned: settings.metadata && join(CONDITION_FILES.conditioned, name),
      plain: join(CONDITION_FILES.plain, name),
    };
  });
  return { documents, shardDocuments, settings, tasks };
}

function settingsOf(options: ConditionIntoOptions, corpus: Corpus): ConditionSettings {
  const { length, strategy, bufferTokens, crossDocumentAttention, seed, fractions, trainOnMetadata = false } = options;
  const { metadata: form, template, urlColumn, missing, prefix = DEFAULT_PREFIX, suffix = DEFAULT_SUFFIX } = options;
  if (form === 'none' && template !== undefined) throw invalid('template', "none beside metadata: 'none'", template);
  const metadata = form === 'none' ? null : { form, template, urlColumn, missing };
  if (metadata) checkColumns(metadata, corpus);
  checkHostOptions(options, metadata);
  const packing = { length, strategy, bufferTokens, crossDocumentAttention };
  checkInteger('length', length, 2, MOST_LENGTH);
  new RowPacker(packing); // checks the others
  return {
    ...packing,
    ...{ metadata, prefix, suffix, trainOnMetadata, seed, fractions },
    corpus: digestCorpus(corpus),
    cooldown: checkFinite('cooldown', options.cooldown ?? DEFAULT_COOLDOWN, { min: 0, max: 1 }),
  };
}

/** Options about hosts that the metadata do not name would have no effect. */
function checkHostOptions({ hosts, topPercent }: ConditionIntoOptions, metadata: MetadataOptions | null): void {
  const form = metadata && namedHosts(metadata)?.form;
  if (hosts !== undefined && !form) {
    throw invalid('hosts (--hosts)', 'none, as these metadata do not replace hosts', hosts, {
      fix: "take the form 'hash', 'uuid' or 'top-hosts' (--metadata), or leave it out",
    });
  }
  if (topPercent !== undefined && (form !== 'top-hosts' || hosts !== undefined)) {
    throw invalid('topPercent (--top)', "none but for the form 'top-hosts', and none beside hosts", topPercent);
  }
}

function checkColumns(metadata: MetadataOptions, corpus: Corpus): void {
  namedHosts(metadata);
  for (const column of new MetadataReader(metadata).columns) {
    if (corpus.columns.includes(column)) continue;
    throw invalid('column of metadata', `one of ${corpus.columns.join(', ')}`, column, {
      code: 'INVALID_DATA',
      fix: "say where the URL is (urlColumn, --url-column), or take another column (template, --template '{domain}')",
    });
  }
}

/** The settings with what stands for the hosts, where hosts go by other names. */
async function withNames(
  settings: ConditionSettings,
  corpus: Corpus,
  documents: number,
  work: ConditionWork,
  { topPercent = DEFAULT_TOP_PERCENT, signal, onProgress }: ConditionIntoOptions,
  given: HostEntry[] | undefined,
): Promise<ConditionSettings> {
  if (settings.metadata === null) return settings;
  const names = await hostNames(corpus, documents, settings.metadata, {
    path: join(work.folder, CONDITION_FILES.hosts),
    given,
    topPercent,
    signal,
    onProgress: (done) => onProgress?.('count hosts', done, documents, 'documents'),
  });
  return { ...settings, metadata: { ...settings.metadata, names } };
}

async function fingerprintOf(
  options: ConditionIntoOptions,
  { documents, shardDocuments, settings }: ConditionPlan,
  hosts: HostEntry[] | undefined,
): Promise<Fingerprint> {
  const { metadata, fractions, ...rest } = settings;
  const said = Object.entries(rest).map(([name, value]) => [name, value === undefined ? 'default' : String(value)]);
  return {
    tokenizer: await digestTokenizer(options.tokenizer),
    documents,
    shardDocuments,
    ...Object.fromEntries(said),
    fractions: JSON.stringify(fractions),
    metadata: JSON.stringify(metadata),
    topPercent: options.topPercent ?? 'default',
    hosts: hosts === undefined ? 'counted' : digest([JSON.stringify(hosts)]),
  };
}

function total(parts: ShardCounts[]): Omit<ConditionReport, 'documents' | 'shards'> {
  const conditioned = parts.flatMap((part) => part.conditioned ?? []);
  return {
    metadata: summed(parts.map(({ metadata }) => metadata)),
    conditioned: conditioned.length > 0 ? sumCounts(conditioned) : null,
    plain: sumCounts(parts.map(({ plain }) => plain)),
    evaluation: summed(parts.map(({ evaluation }) => evaluation)),
  };
}
