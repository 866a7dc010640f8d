import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { summarize } from '../../evaluate/statistics.ts';
import type { MeasureRow, MecoData } from '../../report/meco-data.ts';
import type { RunFacts } from '../method.ts';
import type { Stamp } from '../stage.ts';
import { stageCosts } from '../summary/costs.ts';
import { differencesTo, spread } from '../summary/domains.ts';
import type { MecoEvaluation, MecoText } from './evaluation-stages.ts';
import { MECO_FILES, rowsStage, trainingStage, type MecoContext } from './files.ts';
import { CONDITIONS, type Condition } from './held-out.ts';
import type { Arm } from './schema.ts';
import { headline, questionError, remarks } from './words.ts';

const DESCRIPTIONS: Record<Arm, string> = {
  standard: 'plain rows',
  meco: 'rows with metadata, then plain ones (cooldown)',
  mixed: 'the same shares of both, mixed throughout',
  'metadata-only': 'rows with metadata to the end, no cooldown',
};

export const CONDITION_WORDS: Record<Condition, string> = {
  none: 'no metadata',
  own: 'its own metadata',
  other: 'metadata of another text',
};

/** Of the accuracies, the two that the field reports: acc and acc_norm of lm-evaluation-harness. */
const SHOWN = { raw: 'raw', character: 'per character' } as const;

/** Gathers what the page and the terminal show. */
export async function summarizeMeco(
  context: MecoContext,
  stamps: Record<string, Stamp>,
  facts: RunFacts,
): Promise<MecoData> {
  const { recipe } = context;
  const { seeds, steps } = recipe.train;
  const read = async <T>(file: string) => JSON.parse(await readFile(context.path(file), 'utf8')) as T;
  const evaluations = await read<MecoEvaluation[]>(MECO_FILES.evaluation);
  const [{ conditions }] = evaluations;
  const questions = Number(stamps.evaluate.facts.questions);
  const all = 'all held-out text';
  const groups = Object.keys(conditions.none.groups);
  const losses = CONDITIONS.flatMap((condition) => [
    rowOf(all, condition, conditions[condition].overall.tokens, (x) => x.conditions[condition].overall.loss),
    ...groups.map((group) =>
      rowOf(
        group,
        condition,
        conditions[condition].groups[group].tokens,
        (x) => x.conditions[condition].groups[group].loss,
      ),
    ),
  ]);
  const choices = CONDITIONS.flatMap((condition) =>
    Object.entries(SHOWN).map(([name, words]) =>
      choiceRow(words, condition, (x) => x.conditions[condition].accuracy[name as keyof typeof SHOWN]),
    ),
  );
  const steering = [steeringRow('own', 'none'), steeringRow('other', 'none'), steeringRow('own', 'other')];
  const tokens = recipe.arms.map((arm) => Number(stamps[trainingStage(arm, seeds[0])].facts.tokens));
  const result = { losses, choices, steering };
  return {
    method: 'meco',
    name: recipe.name,
    headline: headline(result),
    remarks: remarks(result, {
      tokens,
      rows: `${steps} × ${recipe.train.batch} rows of ${recipe.rows.length} tokens`,
      seeds: seeds.length,
      metadata: stamps[rowsStage('meco')].facts,
      chance: 1 / recipe.evaluate.questions.choices,
    }),
    arms: recipe.arms.map((name) => ({ name, description: DESCRIPTIONS[name] })),
    seeds,
    steps,
    tokens: tokens[0],
    ...result,
    questions: { count: questions, choices: recipe.evaluate.questions.choices },
    texts: await read<MecoText[]>(MECO_FILES.texts),
    prompt: recipe.evaluate.prompt,
    cost: stageCosts(stamps),
    recipe: stringify(recipe),
    ...facts,
    created: new Date().toISOString().slice(0, 10),
  };

  function valuesOf(valueOf: (evaluation: MecoEvaluation) => number): number[][] {
    return recipe.arms.map((arm) => evaluations.filter((each) => each.arm === arm).map(valueOf));
  }

  function rowOf(
    measure: string,
    condition: Condition,
    count: number,
    valueOf: (evaluation: MecoEvaluation) => number,
  ): MeasureRow {
    const values = valuesOf(valueOf);
    const differences = [null, ...differencesTo(values[0], values.slice(1))];
    return { measure, condition: CONDITION_WORDS[condition], count, arms: armsOf(values, differences) };
  }

  /** Seeds share the questions: what other questions would change has to be exceeded as well. */
  function choiceRow(
    measure: string,
    condition: Condition,
    valueOf: (evaluation: MecoEvaluation) => number,
  ): MeasureRow {
    const row = rowOf(measure, condition, questions, valueOf);
    const arms = row.arms.map(({ difference, ...arm }) => {
      if (!difference) return { ...arm, difference };
      const clear = difference.clear && Math.abs(difference.mean) > 2 * questionError(row.arms[0].mean, questions);
      return { ...arm, difference: { ...difference, clear } };
    });
    return { ...row, arms };
  }

  /** The loss under one condition, with its difference to that under another of the same model. */
  function steeringRow(condition: Condition, against: Condition): MeasureRow {
    const lossUnder = (under: Condition) => valuesOf((x) => x.conditions[under].overall.loss);
    const [before, under] = [lossUnder(against), lossUnder(condition)];
    const differences = recipe.arms.map((_, i) => differencesTo(before[i], [under[i]])[0]);
    const { tokens: count } = conditions[condition].overall;
    const words = `${CONDITION_WORDS[condition]}, against ${CONDITION_WORDS[against]}`;
    return { measure: all, condition: words, count, arms: armsOf(under, differences) };
  }

  function armsOf(values: number[][], differences: MeasureRow['arms'][number]['difference'][]): MeasureRow['arms'] {
    return recipe.arms.map((arm, i) => {
      const { mean, standardDeviation } = summarize(values[i]);
      return { arm, mean, sd: spread(standardDeviation), difference: differences[i] };
    });
  }
}
