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
} from 'apache-arrow';
import { GradfoldError } from '../errors.ts';
import { ArrowFileWriter, readArrowFile } from './arrow-file.ts';
import { writeAtomically } from '../atomic-file.ts';
import { FlatSamples, SamplesBuilder, type SampleColumns, type Samples } from './flat-samples.ts';
import { SPLITS } from './splits.ts';

/** Schema metadata: the longest row there may be. */
const LENGTH_KEY = 'gradfold.samples.length';

const TOKENS = new List(new Field('item', new Int32(), false));
const DOMAIN = new Dictionary(new Utf8(), new Int32(), 0);
const SPLIT = new Dictionary(new Utf8(), new Uint8(), 1);
const FIELDS = [
  new Field('tokens', TOKENS, false),
  new Field('document', new Uint32(), false),
  new Field('domain', DOMAIN, false),
  new Field('split', SPLIT, false),
];

/** Writes samples as an Arrow IPC file (columns tokens, document, domain, split), atomically. */
export async function writeSamples(path: string, samples: Samples): Promise<void> {
  const columns = columnsOf(samples);
  const shape = { length: columns.documents.length, nullCount: 0 };
  const names = (texts: readonly string[]) => vectorFromArray(texts, new Utf8());
  const ids = makeData({ type: new Int32(), length: columns.tokens.length, nullCount: 0, data: columns.tokens });
  const children = [
    makeData({ type: TOKENS, ...shape, valueOffsets: columns.offsets, child: ids }),
    makeData({ type: new Uint32(), ...shape, data: columns.documents }),
    makeData({ type: DOMAIN, ...shape, data: columns.domains, dictionary: names(columns.domainNames) }),
    makeData({ type: SPLIT, ...shape, data: columns.splits, dictionary: names(SPLITS) }),
  ];
  const schema = new Schema(FIELDS, new Map([[LENGTH_KEY, String(columns.length)]]));
  const batch = new RecordBatch(schema, makeData({ type: new Struct(FIELDS), ...shape, children }));
  await writeAtomically(path, async (handle) => {
    const writer = new ArrowFileWriter(handle);
    await writer.write(batch);
    await writer.finish();
  });
}

/**
 * Opens what writeSamples wrote; all columns are views into the file's bytes. Errors: NOT_FOUND; INVALID_FILE for a
 * file that is truncated or holds something else.
 */
export async function openSamples(path: string): Promise<Samples> {
  const table = await readArrowFile(path);
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
    tokens: tokens?.children[0].values.subarray(0, tokens.valueOffsets[count]) ?? new Int32Array(0),
    offsets: tokens?.valueOffsets.subarray(0, count + 1) ?? new Int32Array(1),
    documents: documents?.values.subarray(0, count) ?? new Uint32Array(0),
    domains: domains?.values.subarray(0, count) ?? new Int32Array(0),
    domainNames: domains?.dictionary?.toJSON() ?? [],
    splits: splits?.values.subarray(0, count) ?? new Uint8Array(0),
  });
}

function columnsOf(samples: Samples): SampleColumns {
  if (samples instanceof FlatSamples) return samples.columns;
  const builder = new SamplesBuilder(samples.length);
  for (let i = 0; i < samples.count; i++)
    builder.add(samples.tokens(i), samples.document(i), samples.domain(i), samples.split(i));
  return builder.build().columns;
}
