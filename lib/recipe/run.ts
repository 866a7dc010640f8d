import { mkdir } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { writeTextAtomically } from '../atomic-file.ts';
import { packageVersion } from '../version.ts';
import { FILES, RunContext } from './context.ts';
import type { BaseData, BaseRecipe, RunFacts } from './method.ts';
import { methodOf, recipeMethod, type AnyRecipe } from './methods.ts';
import { runStages, type RunEvent, type Stamp } from './stage.ts';

export interface RunOptions {
  /** The run's folder is `out`/<name>; default runs. */
  out?: string;
  /** The recipe's file: relative paths in it start from its folder, and the page names it. */
  recipePath: string;
  /** The command that the page names; default run. */
  command?: 'run' | 'compare' | 'mix run';
  /** Documents to take at most. */
  limit?: number;
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

/** What a run was made of: enough to make it again. */
export interface RunRecord {
  recipe: AnyRecipe;
  limit: number | null;
  environment: RunFacts['environment'];
  stages: Record<string, Stamp>;
}

/**
 * Runs a recipe in its folder. Stages that are finished and whose inputs have not changed are skipped; an interrupted
 * one goes on from its checkpoint. Ends with run.json, report.json and report.html beside the stages' files.
 */
export async function runRecipe(
  recipe: AnyRecipe,
  options: RunOptions,
): Promise<{ dir: string; report: string; data: BaseData }> {
  const { recipePath, limit, signal, onEvent } = options;
  const method = methodOf(recipe);
  const dir = resolve(options.out ?? 'runs', recipe.name);
  await mkdir(dir, { recursive: true });
  const context = new RunContext<BaseRecipe>({
    recipe,
    dir,
    recipeDir: dirname(resolve(recipePath)),
    signal,
    limit,
    note: (message) => onEvent?.({ kind: 'note', message }),
  });
  try {
    const version = await packageVersion();
    const stamps = await runStages(await method.stages(context), context, { dir, version, signal, onEvent });
    const environment = await describeEnvironment(context, version);
    const command = `gradfold ${options.command ?? 'run'} ${recipePath}${limit === undefined ? '' : ` --limit ${limit}`} --seed ${recipe.seed}`;
    const data = { method: recipe.method, ...(await method.summarize(context, stamps, { environment, command })) };
    const record: RunRecord = { recipe, limit: limit ?? null, environment, stages: stamps };
    await writeTextAtomically(join(dir, FILES.record), `${JSON.stringify(record, null, 2)}\n`);
    await writeTextAtomically(join(dir, FILES.reportData), JSON.stringify(data));
    return { dir, report: await writeReport(dir, data), data };
  } finally {
    await context.dispose();
  }
}

/** Draws the page of a finished run; resolves to its path. */
export async function writeReport(dir: string, data: BaseData, path = join(dir, FILES.report)): Promise<string> {
  await writeTextAtomically(path, await recipeMethod(data.method).render(data));
  return path;
}

async function describeEnvironment(context: RunContext<BaseRecipe>, version: string): Promise<RunFacts['environment']> {
  const { info, precision } = await context.backend();
  const processors = cpus();
  const parts = [info.name, info.gemm, info.isa, info.threads && `${info.threads} threads`, precision];
  return [
    { name: 'gradfold', value: version },
    { name: 'backend', value: parts.filter(Boolean).join(', ') },
    { name: 'processor', value: `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores` },
    { name: 'memory', value: `${(totalmem() / 2 ** 30).toFixed(1)} GiB` },
    { name: 'Node.js', value: `${process.version} on ${process.platform} ${process.arch}` },
  ];
}
