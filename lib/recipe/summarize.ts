import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { pairedDifference, summarize } from '../evaluate/statistics.ts';
import { readPlan } from '../order/plan.ts';
import type { Difference, DocumentRow, DomainRow, ReportData } from '../report/data.ts';
import { signed } from '../report/text.ts';
import { readScoreTable, type ScoreTable } from '../score/table.ts';
import type { TrainingLogEntry } from '../train/log.ts';
import { FILES, type RunContext } from './context.ts';
import { describePlan } from './plans.ts';
import { LQS, type Quality } from './score-stages.ts';
import type { Stamp } from './stage.ts';
import { MEAN_OF_DOMAINS, PLAN_FILE, trainingDir, type Evaluation } from './train-stages.ts';
import { TRAINING_FILES } from './training.ts';

const SHOWN_DOCUMENTS = 10;
/** Points of a plan's picture: more would only make the page larger. */
const SHOWN_POSITIONS = 1500;

/** Gathers what the page and the final table show from the files of a run. */
export async function summarizeRun(
  context: RunContext,
  stamps: Record<string, Stamp>,
  facts: { environment: ReportData['environment']; command: string },
): Promise<ReportData> {
  const { recipe } = context;
  const names = Object.keys(recipe.plans);
  const evaluations = JSON.parse(await readFile(context.path(FILES.evaluation), 'utf8')) as Evaluation[];
  const quality = JSON.parse(await readFile(context.path(FILES.quality), 'utf8')) as Quality;
  const pool = await readScoreTable(context.path(FILES.poolScores), LQS);
  const domains = domainRows(evaluations, names, recipe.score.target.domain);
  const cost = costs(stamps);
  const total = cost.reduce((sum, { seconds }) => sum + seconds, 0);
  const score = stamps.score;
  const { best, worst } = await extremeDocuments(context, pool);
  return {
    name: recipe.name,
    headline: headline(domains, names),
    remarks: remarks(domains, names, recipe.train.seeds.length, stamps),
    plans: names.map((name) => ({ name, description: describePlan(recipe.plans[name], pool.rows.length) })),
    seeds: recipe.train.seeds,
    domains,
    curves: await curves(context, names),
    scores: await scoresByDomain(context, pool),
    best,
    worst,
    positions: await positions(context, names, pool),
    cost,
    scoring: {
      seconds: score.seconds,
      share: score.seconds / total,
      poolRows: Number(score.facts.poolRows),
      proxyRows: Number(score.facts.proxyRows),
      poolVisits: Number(score.facts.poolVisits),
      proxyVisits: Number(score.facts.proxyVisits),
      spearman: quality.spearman,
    },
    quality: quality.labels,
    recipe: stringify(recipe),
    environment: facts.environment,
    command: facts.command,
    created: new Date().toISOString().slice(0, 10),
  };
}

function domainRows(evaluations: Evaluation[], plans: string[], target: string): DomainRow[] {
  const of = (plan: string) => evaluations.filter((evaluation) => evaluation.plan === plan).map(({ report }) => report);
  const [first] = evaluations;
  const row = (domain: string, rows: number, lossOf: (report: Evaluation['report']) => number): DomainRow => {
    const baseline = of(plans[0]).map(lossOf);
    return {
      domain,
      target: domain === target,
      rows,
      plans: plans.map((plan, i) => {
        const losses = of(plan).map(lossOf);
        const { mean, standardDeviation } = summarize(losses);
        const paired = i === 0 ? null : pairedDifference(losses, baseline);
        return {
          plan,
          mean,
          sd: spread(standardDeviation),
          difference: paired && toDifference(paired),
        };
      }),
    };
  };
  const domains = Object.entries(first.report.domains)
    .sort(([a], [b]) => Number(b === target) - Number(a === target) || (a < b ? -1 : 1))
    .map(([domain, { samples }]) => row(domain, samples, (report) => report.domains[domain].loss));
  const all = row(MEAN_OF_DOMAINS, first.report.overall.samples, (report) => report.domainMean.loss);
  return [...domains, { ...all, target: false }];
}

/** One seed has no spread. */
const spread = (sd: number): number => (Number.isNaN(sd) ? 0 : sd);

/** Which plan won on the target and over all domains, in one sentence. */
function headline(domains: DomainRow[], plans: string[]): string {
  const [baseline, ...others] = plans;
  if (others.length === 0) return `${baseline}: ${domains.at(-1)!.plans[0].mean.toFixed(3)} nats over all domains`;
  return others
    .map((plan) => {
      const target = domains.find((row) => row.target);
      const parts = [
        target && verdict(target, plan, baseline, `on its target, ${target.domain},`),
        verdict(domains.at(-1)!, plan, baseline, 'over all domains'),
      ];
      const text = parts.filter(Boolean).join('; ');
      return `${text[0].toUpperCase()}${text.slice(1)}.`;
    })
    .join(' ');
}

function verdict(row: DomainRow, plan: string, baseline: string, where: string): string {
  const difference = row.plans.find((x) => x.plan === plan)!.difference!;
  const size = `${Math.abs(difference.mean).toFixed(3)} ± ${difference.sd.toFixed(3)} nats`;
  if (!difference.clear)
    return `${where} ${plan} and ${baseline} cannot be told apart (${signed(difference.mean)} ± ${difference.sd.toFixed(3)} nats)`;
  return `${where} ${plan} ${difference.mean < 0 ? 'beats' : 'loses to'} ${baseline} by ${size}`;
}

function toDifference({ mean, standardDeviation, differences }: ReturnType<typeof pairedDifference>): Difference {
  const perSeed = [...differences];
  const oneSign = perSeed.every((x) => Math.sign(x) === Math.sign(mean));
  const standardError = standardDeviation / Math.sqrt(perSeed.length);
  const clear = perSeed.length > 1 && oneSign && Math.abs(mean) > 2 * standardError;
  return { mean, sd: spread(standardDeviation), perSeed, clear };
}

function remarks(domains: DomainRow[], plans: string[], seeds: number, stamps: Record<string, Stamp>): string[] {
  const baselineSpread = domains.at(-1)!.plans[0].sd;
  const trainings = Object.entries(stamps).filter(([name]) => name.startsWith('train '));
  const each = trainings.reduce((sum, [, { seconds }]) => sum + seconds, 0) / trainings.length;
  const tokens = Number(trainings[0]?.[1].facts.tokens ?? 0);
  return [
    `Every plan trains on ${tokens.toLocaleString('en')} tokens from the same initial weights, ${seeds} seed${seeds === 1 ? '' : 's'}; differences are paired by seed, ± is one standard deviation.`,
    `For scale: seeds alone move ${plans[0]}’s loss over all domains by ${baselineSpread.toFixed(3)}.`,
    `A difference counts as won or lost when every seed agrees on its sign and it exceeds twice its standard error.`,
    `Training the annotating model and scoring took as long as ${((stamps.pretrain.seconds + stamps.score.seconds) / each).toFixed(1)} of these trainings; that cost is not in the comparison.`,
  ];
}

function costs(stamps: Record<string, Stamp>): ReportData['cost'] {
  const rows = new Map<string, number>();
  for (const [name, { seconds }] of Object.entries(stamps)) {
    const stage = name.startsWith('train ') ? 'train, all plans and seeds' : name;
    rows.set(stage, (rows.get(stage) ?? 0) + seconds);
  }
  return [...rows].map(([stage, seconds]) => ({ stage, seconds }));
}

/** Validation loss along training where it was taken, training loss otherwise. */
async function curves(context: RunContext, plans: string[]): Promise<ReportData['curves']> {
  const { seeds } = context.recipe.train;
  const validated = context.recipe.evaluate.curve !== undefined;
  const points: ReportData['curves']['points'] = [];
  for (const plan of plans) {
    for (const seed of seeds) {
      const log = await readFile(context.path(trainingDir(plan, seed), TRAINING_FILES.log), 'utf8');
      for (const line of log.split('\n').filter(Boolean)) {
        const { step, loss, validation } = JSON.parse(line) as TrainingLogEntry;
        if (!validated) points.push({ plan, seed, step, loss });
        else if (validation) points.push({ plan, seed, step, loss: validation[MEAN_OF_DOMAINS] });
      }
    }
  }
  return { kind: validated ? 'validation' : 'training', points };
}

async function scoresByDomain(context: RunContext, pool: ScoreTable): Promise<ReportData['scores']> {
  const samples = await context.samples();
  const byDomain = new Map<string, number[]>();
  pool.rows.forEach((row, place) => {
    const domain = samples.domain(row);
    if (!byDomain.has(domain)) byDomain.set(domain, []);
    byDomain.get(domain)!.push(pool.scores[place]);
  });
  return [...byDomain].sort(([a], [b]) => (a < b ? -1 : 1)).map(([domain, values]) => ({ domain, values }));
}

/** Documents by the mean score of their rows in the pool. */
async function extremeDocuments(
  context: RunContext,
  pool: ScoreTable,
): Promise<{ best: DocumentRow[]; worst: DocumentRow[] }> {
  const samples = await context.samples();
  const corpus = await context.corpus();
  const tallies = new Map<number, { sum: number; count: number }>();
  pool.rows.forEach((row, place) => {
    const document = samples.document(row);
    const tally = tallies.get(document) ?? { sum: 0, count: 0 };
    tallies.set(document, { sum: tally.sum + pool.scores[place], count: tally.count + 1 });
  });
  const ranked = [...tallies]
    .map(([document, { sum, count }]) => ({ document, score: sum / count }))
    .sort((a, b) => b.score - a.score);
  const labelled = corpus.columns.includes('label');
  const show = ({ document, score }: (typeof ranked)[number]): DocumentRow => {
    const label = labelled ? corpus.value('label', document) : null;
    return {
      id: corpus.id(document),
      domain: corpus.domain(document),
      label: label === null ? null : String(label),
      score,
      text: corpus.text(document).slice(0, 4000),
    };
  };
  return {
    best: ranked.slice(0, SHOWN_DOCUMENTS).map(show),
    worst: ranked.slice(-SHOWN_DOCUMENTS).reverse().map(show),
  };
}

async function positions(context: RunContext, plans: string[], pool: ScoreTable): Promise<ReportData['positions']> {
  const scoreOf = new Map(Array.from(pool.rows, (row, place) => [row, pool.scores[place]]));
  const points: ReportData['positions'] = [];
  for (const plan of plans) {
    const { rows } = await readPlan(context.path(trainingDir(plan, context.recipe.train.seeds[0]), PLAN_FILE));
    const stride = Math.max(1, Math.ceil(rows.length / SHOWN_POSITIONS));
    for (let position = 0; position < rows.length; position += stride) {
      points.push({ plan, position, score: scoreOf.get(rows[position])! });
    }
  }
  return points;
}
