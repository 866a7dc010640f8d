import { Option } from 'commander';
import type { RunEstimate } from '../recipe/estimate.ts';
import { loadRecipe } from '../recipe/load.ts';
import type { BaseData } from '../recipe/method.ts';
import { methodOf, type AnyRecipe } from '../recipe/methods.ts';
import { runRecipe } from '../recipe/run.ts';
import type { RunEvent } from '../recipe/stage.ts';
import { formatSeconds } from '../report/text.ts';
import { defineCommand, integer, option, recipeBackendOptions, type BackendFlags, type CliCommand } from './command.ts';
import type { Progress } from './progress.ts';
import { formatTable } from './table.ts';

/** A command that runs a recipe; what sets it apart is what it checks beforehand and how it shows the result. */
export function recipeCommand(spec: {
  name: 'run' | 'compare' | 'mix run';
  description: string;
  example: string;
  check?(recipe: AnyRecipe): void;
  show(data: BaseData, recipe: AnyRecipe): string;
}): CliCommand {
  const { name, description, example } = spec;
  return defineCommand<{
    out: string;
    dryRun: boolean;
    backend?: BackendFlags['backend'];
    threads?: number;
    precision?: BackendFlags['precision'];
    recompute?: boolean;
    seed: number | undefined;
  }>({
    usage: `${name} <recipe>`,
    description,
    example,
    limits: 'documents',
    options: [
      option('-o, --out <dir>', 'folder of all runs', String, 'runs'),
      new Option('--dry-run', 'say what would be done and what it costs').default(false),
      ...recipeBackendOptions,
      option('--seed <n>', 'instead of the recipe’s', integer),
    ],
    async run({ args, options, io, progress }) {
      const recipePath = args[0] as string;
      const given = await loadRecipe(recipePath);
      const recipe = {
        ...given,
        seed: options.seed ?? given.seed,
        backend: {
          ...given.backend,
          name: options.backend ?? given.backend.name,
          threads: options.threads ?? given.backend.threads,
          precision: options.precision ?? given.backend.precision,
          recompute: options.recompute ?? given.backend.recompute,
        },
      };
      spec.check?.(recipe);
      if (options.dryRun) {
        const estimate = methodOf(recipe).estimate(recipe);
        return { json: { recipe, estimate }, text: formatEstimate(estimate) };
      }
      const { dir, report, data } = await runRecipe(recipe, {
        out: options.out,
        recipePath,
        command: name,
        limit: options.limit,
        signal: io.signal,
        onEvent: (event) => showEvent(event, progress),
      });
      return { json: { dir, report, data }, text: `${spec.show(data, recipe)}\n\n${report}` };
    },
  });
}

/** Says on standard error what a pipeline of stages does. */
export function showEvent(event: RunEvent, progress: Progress): void {
  switch (event.kind) {
    case 'note':
      return progress.line(event.message);
    case 'progress':
      return progress.update(event.stage, event.done, event.total, event.unit);
    case 'finish':
      return progress.line(
        `[${event.index + 1}/${event.count}] ${event.stage}: ${event.skipped ? 'done before' : formatSeconds(event.seconds)}`,
      );
    case 'start':
  }
}

function formatEstimate({ parameters, plans, trainings, stages, flops, memory }: RunEstimate): string {
  const table = formatTable(
    ['stage', 'tokens', 'TFLOP'],
    stages.map((stage) => [stage.stage, stage.tokens.toLocaleString('en'), (stage.flops / 1e12).toFixed(2)]),
  );
  return [
    table,
    '',
    `${plans.length} plans, ${trainings} trainings: ${plans.join(', ')}`,
    `${(parameters / 1e6).toFixed(2)} million parameters; ${(flops / 1e12).toFixed(1)} TFLOP in all, about ${formatSeconds(flops / 1e11)} at 100 GFLOP/s; about ${(memory / 2 ** 20).toFixed(0)} MiB of model state and activations`,
  ].join('\n');
}
