import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** A fresh directory for each test of the file, removed after it; call the result for its path. */
export function useTemporaryDirectory(): () => string {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gradfold-'));
  });
  afterEach(() => rm(directory, { recursive: true }));
  return () => directory;
}
