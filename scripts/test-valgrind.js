// npm run test:valgrind: memcheck over a tour of the addon (test/addon/tour.mjs) in Node. valgrind 3.19 knows no AVX-512 and no AMX,
// so the tour is made with AVX2 and the portable product: oneDNN chooses its instructions by itself. See docs/testing.md.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const version = spawnSync('valgrind', ['--version'], { encoding: 'utf8' });
if (version.error) {
  console.error('test:valgrind: valgrind was not found; to get it: apt-get install -y valgrind');
  process.exit(1);
}
for (const built of ['dist/index.js', 'build/Release/gradfold_cpu.node']) {
  if (existsSync(join(root, built))) continue;
  console.error(`test:valgrind: ${built} is not built; run: npm run build`);
  process.exit(1);
}
const isa = process.arch === 'x64' ? 'avx2' : 'baseline';
const { status, signal } = spawnSync(
  'valgrind',
  [
    '--tool=memcheck',
    '--error-exitcode=99',
    '--leak-check=no', // test:asan looks for leaks
    '--num-callers=30',
    `--suppressions=${join(root, 'scripts', 'valgrind.supp')}`,
    process.execPath,
    join(root, 'test', 'addon', 'tour.mjs'),
    join(root, 'dist'),
    isa,
    'portable',
  ],
  { stdio: 'inherit', env: { ...process.env, OMP_WAIT_POLICY: 'passive', OMP_NUM_THREADS: '2' } },
);
if (status !== 0) {
  console.error(
    `test:valgrind: ${status === 99 ? 'memcheck found errors' : `the tour ended with ${signal ?? `status ${status}`}`}`,
  );
  process.exit(1);
}
