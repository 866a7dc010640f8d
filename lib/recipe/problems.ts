import { plansOf } from './grid.ts';
import { needsScores } from './plans.ts';
import type { Recipe } from './schema.ts';
import { SCORING_NEEDS, type ScoringOf } from './scoring-schema.ts';

interface Problem {
  path: (string | number)[];
  message: string;
}

/** What a recipe's parts lack of each other: scorings that no one defines, a model to score with, a target. */
export function recipeProblems(recipe: Recipe): Problem[] {
  return [...scoringProblems(recipe), ...explanationProblems(recipe), ...planProblems(recipe), ...gridProblems(recipe)];
}

function scoringProblems({ scores, pretrain, target, model }: Recipe): Problem[] {
  return Object.entries(scores).flatMap(([name, scoring]) => {
    if (scoring.method === 'combine') return combinationProblems(name, Object.keys(scoring.of), scores);
    const lqs = scoring.method === 'lqs' ? sweepProblem(scoring) : undefined;
    if (lqs) return [{ path: ['scores', name], message: lqs }];
    const rater = scoring.method === 'datarater' ? dataRaterProblem(scoring) : undefined;
    if (rater) return [{ path: ['scores', name, rater.setting], message: rater.message }];
    const there = { pretrain, target, model };
    return SCORING_NEEDS[scoring.method]
      .filter((section) => there[section] === undefined)
      .map((section) => ({ path: ['scores', name], message: `method ${scoring.method} needs a section "${section}"` }));
  });
}

/** Either the sweep goes through the pool itself, or a scorer carries the scores of the proxy rows to it. */
function sweepProblem({ interval, proxy, scorer }: ScoringOf<'lqs'>): string | undefined {
  if ((interval === undefined) === (scorer === undefined)) return 'give exactly one of interval and scorer';
  return scorer && !proxy ? 'a scorer learns from proxy rows: add "proxy"' : undefined;
}

function dataRaterProblem(scoring: ScoringOf<'datarater'>): { setting: string; message: string } | undefined {
  const { modelsPerStep, population, clipNorm = 0, normalize } = scoring;
  if (modelsPerStep > population) {
    return { setting: 'modelsPerStep', message: `expected at most ${population}, all of the population` };
  }
  if (clipNorm < 1 || !normalize) return undefined;
  return {
    setting: 'clipNorm',
    message: '1 or more changes nothing about gradients of norm 1: add "normalize: false"',
  };
}

function combinationProblems(name: string, parts: string[], scores: Recipe['scores']): Problem[] {
  const path = ['scores', name, 'of'];
  return parts.flatMap((part) => {
    if (!(part in scores)) return [{ path: [...path, part], message: unknown(part, scores) }];
    const nested = scores[part].method === 'combine';
    return nested
      ? [{ path: [...path, part], message: 'a combination of combinations: name their parts instead' }]
      : [];
  });
}

function explanationProblems({ explain, scores }: Recipe): Problem[] {
  return (explain?.scores ?? []).flatMap((name, i) =>
    name in scores ? [] : [{ path: ['explain', 'scores', i], message: unknown(name, scores) }],
  );
}

function planProblems({ plans, scores }: Recipe): Problem[] {
  return Object.entries(plans).flatMap(([name, plan]) => {
    const path = ['plans', name];
    if (plan.score === undefined) {
      return needsScores(plan)
        ? [{ path, message: `it selects or orders by scores: add "score: NAME", ${choices(scores)}` }]
        : [];
    }
    return plan.score in scores ? [] : [{ path: [...path, 'score'], message: unknown(plan.score, scores) }];
  });
}

function gridProblems({ grid, scores, plans }: Recipe): Problem[] {
  const unknownScores = grid.flatMap((block, i) =>
    block.score
      .filter((score) => !(score in scores))
      .map((score) => ({ path: ['grid', i, 'score'], message: unknown(score, scores) })),
  );
  const expanded = Object.keys(plansOf({ plans: {}, grid }));
  const taken = expanded.filter((name) => name in plans && name !== 'random');
  return [
    ...unknownScores,
    ...taken.map((name) => ({ path: ['plans', name], message: 'the grid makes a plan of this name; give it another' })),
  ];
}

const unknown = (score: string, scores: Recipe['scores']): string =>
  `no scoring is called "${score}", ${choices(scores)}`;

function choices(scores: Recipe['scores']): string {
  const names = Object.keys(scores);
  return names.length > 0 ? `one of ${names.join(', ')}` : 'of a section "scores"';
}
