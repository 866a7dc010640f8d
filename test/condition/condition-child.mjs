// Conditions a corpus slowly, so that it can be killed: "shard" is printed for every shard that is written, "done" at the
// end. Arguments: the compiled library, the corpus, the output, the options as JSON.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [library, corpus, out, options] = process.argv.slice(2);
const { conditionInto } = await import(pathToFileURL(join(library, 'index.js')).href);

const settings = JSON.parse(options);
let shown = 0;
await conditionInto(out, corpus, {
  ...settings,
  onProgress(what, documents) {
    if (what !== 'condition') return;
    for (; shown < Math.floor(documents / settings.shardDocuments); shown++) process.stdout.write('shard\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15);
  },
});
process.stdout.write('done ok\n');
