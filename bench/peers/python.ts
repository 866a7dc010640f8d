import { spawnSync } from 'node:child_process';

const VERSIONS =
  'import sys, torch, numpy; print(f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, NumPy {numpy.__version__}")';

/** What a Python brings, or why it cannot be used and what to do about it. */
export function pythonVersions(python: string, script: string): { versions: string } | { problem: string } {
  const run = spawnSync(python, ['-c', VERSIONS], { encoding: 'utf8' });
  if (run.status === 0) return { versions: run.stdout.trim() };
  const reason = run.error?.message ?? run.stderr.trim().split('\n').at(-1);
  return {
    problem:
      `${python} has no PyTorch and NumPy (${reason}); to compare: ` +
      'python3 -m venv peers && peers/bin/pip install torch numpy --index-url https://download.pytorch.org/whl/cpu && ' +
      `npm run ${script} -- --python peers/bin/python`,
  };
}
