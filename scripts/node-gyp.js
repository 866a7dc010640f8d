// node-gyp as this repository runs it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Configures and builds the addon of `directory` into its build/.
 * @param {string} directory where binding.gyp lies
 * @param {NodeJS.ProcessEnv} env CXXFLAGS and LDFLAGS come after the flags of binding.gyp
 * @returns {string | undefined} the step that failed
 */
export function buildAddon(directory, env = process.env) {
  // Node's own headers, where its installation carries them, spare node-gyp a download.
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  for (const step of [['configure'], ['build', '-j', String(cpus().length)]]) {
    const { status } = spawnSync(process.execPath, [nodeGyp, ...step, ...headers, '--loglevel=warn'], {
      cwd: directory,
      env,
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0) return step[0];
  }
  return undefined;
}
