// Conditions a corpus, or only encodes its texts, and prints what it took. Argument: a ConditionJob as JSON.
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { conditionInto, loadTokenizer, openCorpus } from 'gradfold';

export interface ConditionJob {
  /** Where corpus, tokenizer and output lie. */
  folder: string;
  corpus: string;
  /** 0: only the tokenizer. */
  threads: number;
}

export interface ConditionResult {
  seconds: number;
  /** Of processors, all threads together. */
  cpuSeconds: number;
  textBytes: number;
  tokens: number;
  /** Memory of the process at its peak, without pages of files. */
  peakOwn: number;
  /** With them. */
  peakResident: number;
}

const LENGTH = 512;
/** Small enough that all threads have some to do. */
const SHARD_DOCUMENTS = 4096;
const POLL = 50;
const SLICE = 256;

/** Bytes of a line of /proc/self/status. */
function memory(line: string): number {
  return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

const { folder, corpus, threads } = JSON.parse(process.argv[2]) as ConditionJob;
const path = join(folder, `${corpus}.arrow`);
const out = join(folder, 'out');
let peakOwn = 0;
const poll = (): void => void (peakOwn = Math.max(peakOwn, memory('RssAnon')));
const timer = setInterval(poll, POLL);
const cpuBefore = process.cpuUsage();
const start = performance.now();
const tokens = threads === 0 ? await encodeAll() : await condition();
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
const cpuSeconds = (user + system) / 1e6;
poll();
clearInterval(timer);
const peakResident = memory('VmHWM');
const result: ConditionResult = { seconds, cpuSeconds, textBytes: await textBytes(), tokens, peakOwn, peakResident };
await rm(out, { recursive: true, force: true });
process.stdout.write(JSON.stringify(result));

async function encodeAll(): Promise<number> {
  const table = await openCorpus(path);
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer'));
  let count = 0;
  for (let i = 0; i < table.count; i++) {
    count += tokenizer.encode(table.text(i)).length;
    if (i % SLICE === 0) await setImmediate();
  }
  return count;
}

async function condition(): Promise<number> {
  const { conditioned, plain } = await conditionInto(out, path, {
    tokenizer: join(folder, 'tokenizer'),
    length: LENGTH,
    shardDocuments: SHARD_DOCUMENTS,
    seed: 0,
    fractions: { train: 1, proxy: 0, target: 0, validation: 0 },
    threads,
  });
  return conditioned!.tokens + plain.tokens;
}

async function textBytes(): Promise<number> {
  const table = await openCorpus(path);
  let bytes = 0;
  for (let i = 0; i < table.count; i++) bytes += table.text(i).length;
  return bytes;
}
