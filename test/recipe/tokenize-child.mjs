// Tokenizes slowly, so that it can be killed: "shard" is printed for every shard that is written. Arguments: the compiled
// library, the corpus, the output.
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [library, corpus, out] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const { openCorpus } = await load('data/corpus.js');
const { tokenizeInto } = await load('recipe/tokenization.js');

const seen = new Set(await fs.readdir(`${out}.partial`).catch(() => []));
let done = false;
const watching = (async () => {
  while (!done) {
    for (const name of await fs.readdir(`${out}.partial`).catch(() => [])) {
      if (!/^samples-\d+\.arrow$/.test(name) || seen.has(name)) continue;
      seen.add(name);
      process.stdout.write('shard\n');
    }
    await delay(1);
  }
})();
const table = await openCorpus(corpus);
await tokenizeInto(
  out,
  {
    count: table.count,
    columns: table.columns,
    id: (i) => table.id(i),
    text(i) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
      return table.text(i);
    },
    origin: (i) => table.origin(i),
    domain: (i) => table.domain(i),
    value: (column, i) => table.value(column, i),
  },
  {
    vocabulary: 290,
    length: 16,
    minTokens: 3,
    seed: 3,
    fractions: { train: 0.6, proxy: 0.2, target: 0.1, validation: 0.1 },
    shardRows: 40,
  },
);
done = true;
await watching;
