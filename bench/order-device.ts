// Ordering of scores by a GPU: what the device takes, beside the bandwidth of its memory, and what a caller waits, with
// the way of the scores there and of the rows back.
import { foldOrderAsync, measureOrder, openBackend, type Backend } from 'gradfold';
import { checkOrder } from './check-order.ts';
import { normalScores } from './scores.ts';
import { median } from './statistics.ts';
import type { BenchOptions, BenchRow } from './types.ts';

const LAYERS = 3;
/**
 * Traffic of the device's memory for one float32 row: the score is read, key and row are written; digits are counted once;
 * four passes read and write key and row; the row is read and written to its folded place.
 */
const DEVICE_BYTES = 4 + 8 + 4 + 4 * 16 + 8;

export async function deviceRows({ repeats, large, huge }: BenchOptions): Promise<BenchRow[]> {
  const backend = await openBackend('cuda');
  try {
    const rows: BenchRow[] = [];
    for (const size of [1e6, 1e7, ...(large ? [1e8] : []), ...(huge ? [1e9] : [])])
      rows.push(...(await orderRows(backend, size, repeats)));
    return rows;
  } finally {
    backend.dispose();
  }
}

/** The rows of one size; the order is checked. */
export async function orderRows(backend: Backend, size: number, repeats: number): Promise<BenchRow[]> {
  const scores = normalScores(size);
  checkOrder(scores, (await measureOrder(backend, scores, { layers: LAYERS })).order, LAYERS);
  const figures: Record<'upload' | 'sort' | 'download' | 'bandwidth' | 'wall', number[]> = {
    upload: [],
    sort: [],
    download: [],
    bandwidth: [],
    wall: [],
  };
  for (let round = 0; round < repeats; round++) {
    const { upload, sort, download, bandwidth } = await measureOrder(backend, scores, { layers: LAYERS });
    const start = performance.now();
    await foldOrderAsync(scores, { layers: LAYERS, backend });
    const wall = (performance.now() - start) / 1000;
    for (const [name, value] of Object.entries({ upload, sort, download, bandwidth, wall }))
      figures[name as keyof typeof figures].push(value);
  }
  const [upload, sort, download, wall] = [figures.upload, figures.sort, figures.download, figures.wall].map(median);
  const ceiling = Math.max(...figures.bandwidth) / DEVICE_BYTES / 1e6;
  const rows = `${size.toExponential(0)} rows`;
  return [
    {
      name: `argsort + fold, on the device, ${rows}`,
      value: size / sort / 1e6,
      unit: 'M rows/s',
      ceiling,
      note: `${sort.toFixed(4)} s`,
    },
    {
      name: `argsort + fold, there and back, ${rows}`,
      value: size / wall / 1e6,
      unit: 'M rows/s',
      note: `${wall.toFixed(3)} s, of which ${upload.toFixed(3)} s there and ${download.toFixed(3)} s back`,
    },
  ];
}
