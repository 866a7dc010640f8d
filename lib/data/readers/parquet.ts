import { GradfoldError } from '../../errors.ts';
import { fileError } from '../../files.ts';
import type { SourceFile, SourceRow } from './source.ts';

/** The rows of a Parquet file, one row group in memory at a time. A foreign or damaged file is INVALID_FILE. */
export async function* readParquet(file: SourceFile, onBytes: (bytes: number) => void): AsyncGenerator<SourceRow> {
  const groups = rowGroups(file.path);
  let index = 0;
  for (;;) {
    const { value: group, done } = await groups.next().catch((error) => {
      const system = fileError('read', file.path, error);
      if (system instanceof GradfoldError) throw system;
      throw new GradfoldError('INVALID_FILE', `${file.path}: expected a Parquet file: ${(error as Error).message}`, {
        cause: error,
      });
    });
    if (done) return;
    for (const fields of group.rows) yield { index, place: `${file.path} row ${index++}`, fields };
    onBytes(Math.round(file.size * group.share));
  }
}

async function* rowGroups(path: string): AsyncGenerator<{ rows: Record<string, unknown>[]; share: number }> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const buffer = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(buffer);
  const total = Number(metadata.num_rows);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd, compressors });
    yield { rows, share: (rowEnd - rowStart) / total };
    rowStart = rowEnd;
  }
}
