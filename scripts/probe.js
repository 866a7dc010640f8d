// What this machine can build with. Both the build (binding.gyp, build-cpu.js) and `gradfold doctor` ask here, so that they
// never disagree. A library counts only when a test program compiles and links against it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ONEDNN_PROGRAM = `
#include <cstdio>
#include <oneapi/dnnl/dnnl.h>
int main() {
  float a = 1, b = 2, c = 0;
  if (dnnl_sgemm('N', 'N', 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1) != dnnl_success || c != 2) return 1;
  const dnnl_version_t* v = dnnl_version();
  std::printf("%d.%d.%d", v->major, v->minor, v->patch);
}`;

const TILE_PROGRAM = `
#include <immintrin.h>
void run(const void* tiles) {
  _tile_loadd(0, tiles, 64);
  _tile_dpbf16ps(2, 0, 1);
  _mm512_cvtneps_pbh(_mm512_setzero_ps());
}
int main() {}`;

const OPENMP_PROGRAM = `
#include <omp.h>
int main() { int n = 0;
#pragma omp parallel reduction(+ : n)
  n += 1;
  return n > 0 ? 0 : 1; }`;

const compilerCommand = () => process.env.CXX ?? 'g++';

/** Compiles, links and runs a program; the text it prints, or why it could not be. */
function tryProgram(source, flags) {
  const folder = mkdtempSync(join(tmpdir(), 'gradfold-probe-'));
  try {
    const program = join(folder, 'probe');
    writeFileSync(`${program}.cpp`, source);
    const [command, ...own] = compilerCommand().split(' ');
    const compiled = spawnSync(command, [...own, '-std=c++17', `${program}.cpp`, '-o', program, ...flags], {
      encoding: 'utf8',
    });
    if (compiled.error) return { ok: false, reason: `${command}: ${compiled.error.message}` };
    if (compiled.status !== 0) return { ok: false, reason: firstError(compiled.stderr) };
    const ran = spawnSync(program, { encoding: 'utf8' });
    return ran.status === 0 ? { ok: true, output: ran.stdout } : { ok: false, reason: 'the test program failed' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstError(stderr) {
  return (stderr.split('\n').find((line) => /error|cannot find/i.test(line)) ?? stderr.split('\n')[0] ?? '').trim();
}

/** {found, version} or {found: false, reason, fix}: a C++17 compiler with OpenMP. */
export function probeCompiler() {
  const [command, ...own] = compilerCommand().split(' ');
  const version = spawnSync(command, [...own, '--version'], { encoding: 'utf8' });
  const fix = 'apt-get install -y g++ make python3';
  if (version.error) return { found: false, reason: `no C++ compiler: ${command} was not found`, fix };
  const openmp = tryProgram(OPENMP_PROGRAM, ['-fopenmp']);
  if (!openmp.ok) return { found: false, reason: `${command} cannot build an OpenMP program: ${openmp.reason}`, fix };
  return { found: true, version: version.stdout.split('\n')[0] };
}

/** {found, version} or {found: false, reason, fix}: oneDNN with its C header. */
export function probeOnednn() {
  const result = tryProgram(ONEDNN_PROGRAM, ['-ldnnl']);
  return result.ok
    ? { found: true, version: result.output }
    : { found: false, reason: result.reason, fix: 'apt-get install -y libdnnl-dev && npm run build:cpu' };
}

/** Whether the compiler knows AMX tiles and AVX512-BF16; the processor is asked when the addon runs. */
export function probeTiles() {
  return tryProgram(TILE_PROGRAM, ['-mamx-tile', '-mamx-bf16', '-mavx512f', '-mavx512bf16']).ok;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const probes = { onednn: () => probeOnednn().found, tiles: probeTiles };
  process.stdout.write(probes[process.argv[2]]() ? 'yes' : 'no');
}
