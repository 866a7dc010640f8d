import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { PlanRow, QualityData, ReportData, ScoringRow } from '../../report/data.ts';
import type { ExplanationData } from '../../score/explain-data.ts';
import { extremeDocuments } from '../../score/explain-documents.ts';
import { domainHistograms } from '../../score/explain-domains.ts';
import { readScoreTable, type ScoreTable } from '../../score/table.ts';
import { FILES, scoreFile, type RunContext } from '../context.ts';
import { explanationDataFile, explanationFile } from '../explain-stages.ts';
import { correlationOf } from '../uncertainty.ts';
import { orderName, plansOf, selectionName } from '../grid.ts';
import { describePlan } from '../plans.ts';
import { stageOfScoring } from '../score-stages.ts';
import { methodOf } from '../scorings/index.ts';
import type { Stamp } from '../stage.ts';
import { trainingStage } from '../plan-training.ts';
import { MEAN_OF_DOMAINS } from '../training.ts';
import type { Evaluation } from '../train-stages.ts';
import { planGains, savingsOf, scoringCost, stageCosts } from './costs.ts';
import { lossCurves, reachesOf } from './curves.ts';
import { domainRows } from './domains.ts';
import { planPurities } from './purity.ts';
import { agreements, positions } from './scores.ts';
import { headline, remarks } from './words.ts';

/** Documents shown at each end of a scoring, all scorings together. */
const SHOWN_DOCUMENTS = 12;

/** Gathers what the page and the final table show from the files of a run. */
export async function summarizeRun(
  context: RunContext,
  stamps: Record<string, Stamp>,
  facts: { environment: ReportData['environment']; command: string },
): Promise<ReportData> {
  const { recipe } = context;
  const { seeds, steps, batch } = recipe.train;
  const pools = await scoreTables(context);
  const plans = await planRows(context, stamps);
  const names = plans.map(({ name }) => name);
  const target = recipe.target?.domain;
  const measures = [...(target === undefined ? [] : [target]), MEAN_OF_DOMAINS];
  const evaluations = await readJson<Evaluation[]>(context, FILES.evaluation);
  const domains = domainRows(evaluations, names, target);
  const curves = await lossCurves(context, names, measures);
  const reaches = reachesOf(curves, names, seeds, measures);
  const scorings = await Promise.all(
    Object.entries(pools).map(([name, pool]) => scoringRow(context, stamps, name, pool, { plans, reaches, steps })),
  );
  const tokens = Number(stamps[trainingStage(names[0], seeds[0])].facts.tokens);
  const result = { plans, seeds, steps, tokens, domains, curves, reaches, scorings };
  return {
    name: recipe.name,
    headline: headline(domains, names),
    remarks: remarks(result, { budget: steps * batch, pool: recipe.pool.rows }),
    ...result,
    gains: planGains(recipe, stamps, result, measures),
    explanations: await explanations(context),
    agreement: agreements(pools),
    positions: await positions(context, plans, pools),
    cost: stageCosts(stamps),
    quality: recipe.quality ? await readJson<QualityData>(context, FILES.quality) : null,
    recipe: stringify(recipe),
    environment: facts.environment,
    command: facts.command,
    created: new Date().toISOString().slice(0, 10),
  };
}

async function readJson<T>(context: RunContext, file: string): Promise<T> {
  return JSON.parse(await readFile(context.path(file), 'utf8')) as T;
}

async function explanations(context: RunContext): Promise<ReportData['explanations']> {
  const names = context.recipe.explain?.scores;
  return (
    names &&
    Promise.all(
      names.map(async (name) => ({
        name,
        file: explanationFile(name),
        explanation: await readJson<ExplanationData>(context, explanationDataFile(name)),
      })),
    )
  );
}

async function scoreTables(context: RunContext): Promise<Record<string, ScoreTable>> {
  const entries = Object.keys(context.recipe.scores).map(
    async (name) => [name, await readScoreTable(context.path(scoreFile(name)), name)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function planRows(context: RunContext, stamps: Record<string, Stamp>): Promise<PlanRow[]> {
  const { recipe } = context;
  const purities = await planPurities(context);
  return Object.entries(plansOf(recipe)).map(([name, plan]) => {
    const same = new Set(recipe.train.seeds.map((seed) => stamps[trainingStage(name, seed)].facts.sameAs));
    const [sameAs] = same.size === 1 ? same : [];
    return {
      name,
      description: describePlan(plan, plan.score ? titleOf(recipe.scores, plan.score) : '', recipe.pool.rows),
      scoring: plan.score ?? null,
      selection: plan.select ? selectionName(plan.select) : null,
      order: orderName(plan),
      sameAs: typeof sameAs === 'string' ? sameAs : null,
      purity: purities?.[name] ?? null,
    };
  });
}

const titleOf = (scores: RunContext['recipe']['scores'], name: string): string =>
  methodOf(scores[name]).title(scores[name]);

async function scoringRow(
  context: RunContext,
  stamps: Record<string, Stamp>,
  name: string,
  pool: ScoreTable,
  data: Pick<ReportData, 'plans' | 'reaches' | 'steps'>,
): Promise<ScoringRow> {
  const { recipe } = context;
  const { facts } = stamps[stageOfScoring(recipe.scores, name)];
  const { trainingFlops: _, ...cost } = scoringCost(recipe, stamps, name);
  const rank = facts[`spearman ${name}`];
  const samples = await context.samples();
  const shown = Math.max(3, Math.floor(SHOWN_DOCUMENTS / Object.keys(recipe.scores).length));
  return {
    name,
    title: titleOf(recipe.scores, name),
    ...cost,
    savings: savingsOf(data, name, cost.trainings),
    poolRows: pool.rows.length,
    proxyRows: Number(facts.proxyRows ?? 0),
    spearman: typeof rank === 'number' ? correlationOf(rank, Number(facts.spearmanRows)) : null,
    histograms: domainHistograms(samples, pool),
    ...extremeDocuments(await context.corpus(), samples, pool, shown),
  };
}
