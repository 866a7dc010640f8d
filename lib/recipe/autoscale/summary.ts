import { stringify } from 'yaml';
import { summarize } from '../../evaluate/statistics.ts';
import {
  AVERAGE,
  type AutoscaleData,
  type ComparedMixture,
  type MixCost,
  type MixtureFindings,
} from '../../report/autoscale-data.ts';
import type { Stamp } from '../stage.ts';
import type { RunFacts } from '../method.ts';
import { differencesTo, spread } from '../summary/domains.ts';
import { averageLoss } from './ddo-search.ts';
import { comparedMixtures, MIXTURES } from './mixtures.ts';
import { MIX_FILES, readJson, type Compared } from './stages.ts';
import type { AutoscaleContext } from './settings.ts';
import { headlineOf, remarksOf } from './words.ts';

/** Gathers what the page and the terminal show from the files of a run. */
export async function summarizeAutoscale(
  context: AutoscaleContext,
  stamps: Record<string, Stamp>,
  facts: RunFacts,
): Promise<AutoscaleData> {
  const { recipe } = context;
  const findings = await readJson<MixtureFindings>(context.path(MIX_FILES.findings));
  const compared = await readJson<Compared[]>(context.path(MIX_FILES.compare, MIX_FILES.findings));
  const mixtures = comparedRows(compared, {
    names: comparedMixtures(recipe),
    domains: recipe.domains,
    weights: recipe.measure.weights,
  });
  const costs = Object.entries(stamps).flatMap(
    ([
      stage,
      {
        facts: { runs, steps, tokens, trainingSeconds },
      },
    ]): MixCost[] =>
      runs === undefined
        ? []
        : [
            {
              stage,
              runs: Number(runs),
              steps: Number(steps),
              tokens: Number(tokens),
              seconds: Number(trainingSeconds),
            },
          ],
  );
  const result = { findings, mixtures, target: recipe.scales.target };
  return {
    name: recipe.name,
    headline: headlineOf(mixtures),
    remarks: remarksOf(result),
    small: recipe.scales.small,
    seeds: recipe.compare.seeds,
    ...result,
    costs,
    recipe: stringify(recipe),
    ...facts,
    created: new Date().toISOString().slice(0, 10),
  };
}

/** Losses of every mixture by domain and on average, each against the first mixture. */
export function comparedRows(
  compared: readonly Compared[],
  {
    names,
    domains,
    weights,
  }: { names: (keyof typeof MIXTURES)[]; domains: string[]; weights?: Record<string, number> },
): ComparedMixture[] {
  const of = (name: string) => compared.filter(({ mixture }) => mixture === name).map(({ record }) => record);
  const measures = [
    ...domains.map((domain) => ({ measure: domain, loss: (losses: Record<string, number>) => losses[domain] })),
    { measure: AVERAGE, loss: (losses: Record<string, number>) => averageLoss(losses, weights) },
  ];
  const table = measures.map(({ loss }) => names.map((name) => of(name).map(({ losses }) => loss(losses))));
  const differences = table.map(([first, ...others]) => [null, ...differencesTo(first, others)]);
  return names.map((name, i) => {
    const [{ job, domains: uses }] = of(name);
    const total = Object.values(job.quotas).reduce((sum, rows) => sum + rows, 0);
    return {
      name,
      title: MIXTURES[name].title,
      weights: domains.map((domain) => job.quotas[domain] / total),
      domains: uses,
      losses: measures.map(({ measure }, m) => {
        const { mean, standardDeviation } = summarize(table[m][i]);
        return { measure, mean, sd: spread(standardDeviation), difference: differences[m][i] };
      }),
    };
  });
}
