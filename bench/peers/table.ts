import type { Ceilings } from './ceilings.ts';
import type { Peer } from './comparisons.ts';
import type { Pair } from './measure.ts';

/** Above this the two sides did not compute the same thing. bfloat16 keeps 8 bits. */
const LARGEST_DIFFERENCE = { f32: 1e-3, bf16: 3e-2 };

export const HEADINGS = formatted([
  'row',
  'work',
  'beside',
  'ours',
  'theirs',
  'speed',
  'wanted',
  'memory',
  'wanted',
  'differ',
]);

/** One line of the table; see docs/benchmarks.md for its columns. */
export function tableLine({ row, what, peer, unavailable, ours, theirs, difference }: Pair): string {
  if (!ours || !theirs) return formatted([row, what, peer.name, `not available: ${unavailable}`]);
  return formatted([
    row,
    what,
    peer.name,
    seconds(ours.seconds),
    seconds(theirs.seconds),
    `× ${(theirs.seconds / ours.seconds).toFixed(2)}`,
    wanted(peer),
    ours.peakBytes > 0
      ? `${megabytes(ours.peakBytes)} / ${megabytes(theirs.peakBytes)} = ${(ours.peakBytes / theirs.peakBytes).toFixed(2)}`
      : '',
    peer.memory === undefined ? '' : `≤ ${peer.memory.toFixed(2)}`,
    difference === undefined ? '' : difference.toExponential(0),
  ]);
}

/** How many times as fast we want to be, or how long we want to take. */
function wanted({ speed, seconds: most }: Peer): string {
  if (most !== undefined) return `≤ ${seconds(most)}`;
  return speed === undefined ? '' : `≥ ${speed.toFixed(2)}`;
}

/** The pairs whose sides disagree about the result. */
export function disagreements(pairs: Pair[]): Pair[] {
  return pairs.filter(({ difference = 0, peer }) => {
    const largest = peer.job.includes('bf16') ? LARGEST_DIFFERENCE.bf16 : LARGEST_DIFFERENCE.f32;
    return !(difference <= largest);
  });
}

export function ceilingLines(name: string, { ours, peer }: Ceilings): string[] {
  const giga = (value: number) => (value / 1e9).toFixed(1);
  return [
    `${name} products, best of its shapes: ${giga(ours.f32)} GFLOP/s f32 and ${giga(ours.bf16)} bf16 by our engine; ` +
      `${giga(peer.f32)} f32 and ${giga(peer.bf16)} bf16 by PyTorch`,
    `memory, by PyTorch: ${giga(peer.add)} GB/s adding, ${giga(peer.dot)} GB/s in a dot product`,
  ];
}

function formatted(cells: string[]): string {
  const widths = [3, 37, 30, 8, 8, 8, 9, 24, 7, 6];
  return cells
    .map((cell, i) => cell.padEnd(widths[i]))
    .join(' ')
    .trimEnd();
}

function seconds(value: number): string {
  return `${value.toPrecision(3)} s`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
