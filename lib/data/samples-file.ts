import {
  Dictionary,
  Field,
  Int32,
  List,
  RecordBatch,
  Schema,
  Struct,
  Uint32,
  Uint8,
  Utf8,
  makeData,
  vectorFromArray,
  type Table,
} from 'apache-arrow';
import { GradfoldError } from '../errors.ts';
import { ArrowFileWriter, readArrowFile } from './arrow-file.ts';
import { writeAtomically } from '../atomic-file.ts';
import { checkInteger, invalid } from '../check.ts';
import { FlatSamples, SamplesBuilder, mostRows, type Samples } from './flat-samples.ts';
import { holdsPackedRows, packedFile } from './packed-file.ts';
import { PackedTable, type PackedSamples } from './packed-samples.ts';
import { ShardFolder } from './shard-folder.ts';
import { ShardedSamples } from './sharded-samples.ts';
import { tableFiles } from './shards.ts';
import { SPLITS } from './splits.ts';

/** Schema metadata: the longest row there may be. */
const LENGTH_KEY = 'gradfold.samples.length';
/** Schema metadata, where it is known: a digest of the corpus. */
const CORPUS_KEY = 'gradfold.samples.corpus';

const TOKENS = new List(new Field('item', new Int32(), false));
const DOMAIN = new Dictionary(new Utf8(), new Int32(), 0);
const SPLIT = new Dictionary(new Utf8(), new Uint8(), 1);
const FIELDS = [
  new Field('tokens', TOKENS, false),
  new Field('document', new Uint32(), false),
  new Field('domain', DOMAIN, false),
  new Field('split', SPLIT, false),
];

export interface WriteSamplesOptions {
  /** Writes a folder of shards of so many rows, the last one smaller, instead of one file. */
  shardRows?: number;
}

/**
 * Writes samples as an Arrow IPC file (columns tokens, document, domain, split), or as a folder of such files, which
 * appears whole or not at all. Errors: UNSUPPORTED for more than one file can hold; IO.
 */
export async function writeSamples(path: string, samples: Samples, options: WriteSamplesOptions = {}): Promise<void> {
  if (options.shardRows === undefined) {
    return writeSamplesFile(path, samples instanceof FlatSamples ? samples : copyOf(samples, 0, samples.count));
  }
  const shardRows = checkShardRows(options.shardRows, samples.length);
  const folder = await ShardFolder.create(path, SHARDS_NAME);
  try {
    const shards = Math.max(1, Math.ceil(samples.count / shardRows)); // the first one is written even when empty
    for (let index = 0; index < shards; index++) {
      const begin = index * shardRows;
      const part = copyOf(samples, begin, Math.min(samples.count, begin + shardRows));
      await writeSamplesFile(folder.shard(index), part);
    }
    await folder.commit(shards);
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

/** What the shards of samples are called. */
export const SHARDS_NAME = 'samples';

/** Errors: INVALID_ARGUMENT for more rows of up to `length` tokens than one file can hold. */
export function checkShardRows(shardRows: number, length: number): number {
  return checkInteger(`shardRows (rows of up to ${length} tokens in one file)`, shardRows, 1, mostRows(length));
}

/** Writes one samples file, atomically. */
export async function writeSamplesFile(path: string, { columns }: FlatSamples): Promise<void> {
  const shape = { length: columns.documents.length, nullCount: 0 };
  const names = (texts: readonly string[]) => vectorFromArray(texts, new Utf8());
  const ids = makeData({ type: new Int32(), length: columns.tokens.length, nullCount: 0, data: columns.tokens });
  const children = [
    makeData({ type: TOKENS, ...shape, valueOffsets: columns.offsets, child: ids }),
    makeData({ type: new Uint32(), ...shape, data: columns.documents }),
    makeData({ type: DOMAIN, ...shape, data: columns.domains, dictionary: names(columns.domainNames) }),
    makeData({ type: SPLIT, ...shape, data: columns.splits, dictionary: names(SPLITS) }),
  ];
  const metadata = new Map([[LENGTH_KEY, String(columns.length)]]);
  if (columns.corpus !== undefined) metadata.set(CORPUS_KEY, columns.corpus);
  const schema = new Schema(FIELDS, metadata);
  const batch = new RecordBatch(schema, makeData({ type: new Struct(FIELDS), ...shape, children }));
  await writeAtomically(path, async (handle) => {
    const writer = new ArrowFileWriter(handle);
    await writer.write(batch);
    await writer.finish();
  });
}

export interface OpenSamplesOptions {
  /** Of packed rows: whether attention crosses documents; default: as they were written. */
  crossDocumentAttention?: boolean;
}

/**
 * Opens what writeSamples or `gradfold condition` wrote: a file, the shards of a folder (see tableFiles), or those of a
 * list in its order. All columns are views into the files' bytes; where the files are mapped, tokens are read when they
 * are asked for. Errors: NOT_FOUND; INVALID_FILE for a file that is truncated or holds something else, or a folder with
 * shards missing.
 */
export async function openSamples(
  path: string | readonly string[],
  options: OpenSamplesOptions = {},
): Promise<Samples> {
  const files = [];
  for (const file of await tableFiles(path)) files.push({ path: file, table: await readArrowFile(file) });
  const packed = files.filter(({ table }) => holdsPackedRows(table));
  if (packed.length > 0) return packedTable(files, packed.length, options);
  const tables = files.map(({ path, table }) => ({ path, samples: flatSamples(path, table) }));
  return tables.length === 1 ? tables[0].samples : new ShardedSamples(tables);
}

function packedTable(
  files: readonly { path: string; table: Table }[],
  packed: number,
  { crossDocumentAttention }: OpenSamplesOptions,
): PackedSamples {
  if (packed < files.length) {
    const other = files.find(({ table }) => !holdsPackedRows(table))!;
    throw invalid(other.path, 'packed rows, as the other shards have', 'samples of one document each', {
      code: 'INVALID_FILE',
      fix: 'open them apart',
    });
  }
  const tables = files.map(({ path, table }) => packedFile(path, table));
  return new PackedTable(tables, crossDocumentAttention);
}

function flatSamples(path: string, table: Table): FlatSamples {
  const length = Number(table.schema.metadata.get(LENGTH_KEY));
  const found = table.schema.fields.map(({ name, type }) => `${name}: ${type}`).join(', ');
  const expected = FIELDS.map(({ name, type }) => `${name}: ${type}`).join(', ');
  if (found !== expected || !(length > 0) || table.batches.length > 1) {
    throw new GradfoldError(
      'INVALID_FILE',
      `${path}: expected samples with the columns ${expected} in one batch, got ${found}; tokenize the corpus again`,
    );
  }
  const [tokens, documents, domains, splits] = FIELDS.map(({ name }) => table.getChild(name)!.data[0]);
  const count = table.numRows;
  const splitNames = splits?.dictionary?.toJSON() ?? [];
  if (count > 0 && splitNames.join() !== SPLITS.join())
    throw new GradfoldError(
      'INVALID_FILE',
      `${path}: expected the splits ${SPLITS.join(', ')}, got ${splitNames.join(', ')}`,
    );
  // Buffers of an Arrow file are padded: what counts is the stated length.
  return new FlatSamples({
    length,
    corpus: table.schema.metadata.get(CORPUS_KEY),
    tokens: tokens?.children[0].values.subarray(0, tokens.valueOffsets[count]) ?? new Int32Array(0),
    offsets: tokens?.valueOffsets.subarray(0, count + 1) ?? new Int32Array(1),
    documents: documents?.values.subarray(0, count) ?? new Uint32Array(0),
    domains: domains?.values.subarray(0, count) ?? new Int32Array(0),
    domainNames: domains?.dictionary?.toJSON() ?? [],
    splits: splits?.values.subarray(0, count) ?? new Uint8Array(0),
  });
}

/** The rows [begin, end) as a table of their own. */
function copyOf(samples: Samples, begin: number, end: number): FlatSamples {
  const builder = new SamplesBuilder(samples.length, samples.corpus);
  for (let i = begin; i < end; i++)
    builder.add(samples.tokens(i), samples.document(i), samples.domain(i), samples.split(i));
  return builder.build();
}
