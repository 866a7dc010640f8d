// Builds the CPU addon with node-gyp. With --if-possible a missing compiler is a notice, not a failure: the library then
// runs on the reference backend.
import { fileURLToPath } from 'node:url';
import { buildAddon } from './node-gyp.js';
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
const failed = buildAddon(root);
if (failed) {
  console.error(`gradfold: node-gyp ${failed} failed; the compiler's message stands above`);
  process.exit(1);
}
console.error('gradfold: built build/Release/gradfold_cpu.node');
