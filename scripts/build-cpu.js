// Builds the CPU addon with node-gyp. With --if-possible a missing compiler is a notice, not a failure: the library then
// runs on the reference backend.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { probeCompiler, probeOnednn } from './probe.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = probeCompiler();
if (!compiler.found) {
  console.error(`gradfold: the CPU addon was not built: ${compiler.reason}`);
  console.error(`gradfold: to build it: ${compiler.fix} && npm run build:cpu`);
  if (process.argv.includes('--if-possible')) {
    console.error('gradfold: until then everything runs on the slow reference backend');
    process.exit(0);
  }
  process.exit(1);
}

const onednn = probeOnednn();
console.error(`gradfold: building the CPU addon with ${compiler.version}`);
console.error(
  onednn.found
    ? `gradfold: matrix products by oneDNN ${onednn.version}`
    : `gradfold: matrix products by the portable kernel (oneDNN not found: ${onednn.reason}); to use it: ${onednn.fix}`,
);
// Node's own headers, where its installation carries them, spare node-gyp a download.
const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
for (const step of [['configure'], ['build', '-j', String(cpus().length)]]) {
  const { status } = spawnSync(process.execPath, [nodeGyp, ...step, ...headers, '--loglevel=warn'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(`gradfold: node-gyp ${step[0]} failed; the compiler's message stands above`);
    process.exit(1);
  }
}
console.error('gradfold: built build/Release/gradfold_cpu.node');
