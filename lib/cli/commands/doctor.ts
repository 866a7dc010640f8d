import { arch, cpus, freemem, platform, totalmem } from 'node:os';
import { availableBackends } from '../../backend/open.ts';
import type { BackendInfo } from '../../backend/types.ts';
import { packageVersion } from '../../version.ts';
import { defineCommand } from '../command.ts';
import { formatTable } from '../table.ts';

interface Found {
  found: boolean;
  version?: string;
  reason?: string;
  fix?: string;
}

export const doctor = defineCommand({
  usage: 'doctor',
  description: 'What is available here, what is not and why, and the command that mends it.',
  example: 'gradfold doctor --json',
  options: [],
  async run() {
    const backends = availableBackends();
    // The build asks the same module, so the two never disagree.
    const probes = (await import(new URL('../../../scripts/probe.js', import.meta.url).href)) as Record<
      'probeCompiler' | 'probeOnednn',
      () => Found
    >;
    const compiler = probes.probeCompiler();
    const oneDnn = compiler.found
      ? probes.probeOnednn()
      : { found: false, reason: 'needs a compiler', fix: compiler.fix };
    const { probeNvcc } = (await import(new URL('../../../scripts/cuda.js', import.meta.url).href)) as {
      probeNvcc: () => Found;
    };
    const nvcc = probeNvcc();
    const machine = {
      gradfold: await packageVersion(),
      node: process.version,
      platform: `${platform()} ${arch()}`,
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memory: totalmem(),
      freeMemory: freemem(),
    };
    const text = [
      formatTable(
        ['backend', 'available', 'what'],
        backends.map((info) => [info.name, info.available ? 'yes' : 'no', whatOf(info)]),
      ),
      formatTable(
        [],
        [
          ['gradfold', machine.gradfold],
          ['Node.js', `${machine.node}, ${machine.platform}`],
          ['processor', `${machine.processor}, ${machine.cores} cores`],
          ['memory', `${gib(machine.memory)}, ${gib(machine.freeMemory)} free`],
          ['compiler', describe(compiler)],
          ['oneDNN', describe(oneDnn)],
          ['CUDA compiler', describe(nvcc)],
        ],
      ),
    ].join('\n\n');
    return { json: { backends, machine, compiler, oneDnn, nvcc }, text };
  },
});

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** A backend in one line: what it runs on and with, or why it is not there. */
function whatOf({
  name,
  available,
  reason,
  device,
  memory,
  gemm,
  gemmBf16,
  isa,
  threads,
  driver,
  runtime,
}: BackendInfo) {
  const cuda = runtime && `CUDA runtime ${runtime}, driver ${driver === 'none' ? 'not found' : `for ${driver}`}`;
  if (!available) return [reason, cuda].filter(Boolean).join('; ');
  const own = name === 'cuda' && [device, memory && `${gib(memory)} of memory`].filter(Boolean).join(', ');
  const products = [gemm && `products by ${gemm}`, gemmBf16 && `bf16 by ${gemmBf16}`];
  return [own, ...products, isa, name === 'cpu' && threads && `${threads} threads`, cuda].filter(Boolean).join(', ');
}

function describe({ found, version, reason, fix }: Found): string {
  return found ? (version ?? 'found') : `not found: ${reason}${fix ? `; to mend it: ${fix}` : ''}`;
}
