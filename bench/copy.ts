const COPY_ROWS = 16 << 20;

/** A copy far larger than the caches: what one thread gets out of memory. */
export function copyTask(): () => Promise<void> {
  const from = new Float64Array(COPY_ROWS).fill(1);
  const to = new Float64Array(COPY_ROWS);
  return async () => to.set(from);
}

/** Bytes read and written per second by a copyTask of so many seconds. */
export function copyBandwidth(seconds: number): number {
  return (2 * 8 * COPY_ROWS) / seconds;
}
