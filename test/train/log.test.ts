import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TrainingLog } from '../../lib/train/log.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

it('opened at a step, a log has the lines up to it, and nothing of what a kill left is beside it', async () => {
  const path = join(directory(), 'log.jsonl');
  await writeFile(path, '{"step":1}\n{"step":2}\n{"step":3}\n{"st');
  await writeFile(join(directory(), '.log.jsonl.5056-8f5490be.tmp'), '{"step":1}\n');
  await writeFile(join(directory(), '.other.jsonl.5056-8f5490be.tmp'), 'of another writer');

  const log = await TrainingLog.open<{ step: number }>(path, 2);
  await log.append({ step: 3 });

  expect(await readFile(path, 'utf8')).toBe('{"step":1}\n{"step":2}\n{"step":3}\n');
  expect((await readdir(directory())).sort()).toEqual(['.other.jsonl.5056-8f5490be.tmp', 'log.jsonl']);
});
