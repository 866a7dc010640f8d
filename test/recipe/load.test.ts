import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { GradfoldError } from '../../lib/errors.ts';
import { parseRecipe } from '../../lib/recipe/load.ts';
import { estimateRun } from '../../lib/recipe/estimate.ts';
import type { Recipe } from '../../lib/recipe/schema.ts';

const demo = await readFile(new URL('../../recipes/demo.yaml', import.meta.url), 'utf8');

/** A recipe of the default method. */
function plans(text: string): Recipe {
  const recipe = parseRecipe(text);
  if (recipe.method !== 'plans') throw new Error(`method ${recipe.method}`);
  return recipe;
}

/** The message that a changed demo recipe is refused with. */
function refusal(from: string, to: string): string {
  const text = demo.replace(from, to);
  expect(text).not.toBe(demo);
  try {
    parseRecipe(text, 'demo.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(GradfoldError);
    return (error as Error).message;
  }
  throw new Error('the recipe was accepted');
}

const lineOf = (text: string): number => demo.slice(0, demo.indexOf(text)).split('\n').length;

describe('parseRecipe', () => {
  test('the demo recipe is valid and its defaults are filled in', () => {
    const recipe = plans(demo);
    expect(recipe.train.betas).toEqual([0.9, 0.95]);
    expect(Object.keys(recipe.plans)).toEqual(['random', 'delt']);
    expect(recipe.plans.delt).toEqual({ score: 'lqs', select: { topRatio: 0.25 }, order: 'fold', layers: 3 });
  });

  test.each([
    ['seed: 0', 'sead: 0', 'sead', 'seed'],
    ['vocabulary: 4096', 'vocabluary: 4096', 'tokenizer.vocabluary', 'vocabulary'],
    ['cacheDir:', 'cachedir:', 'corpus.cachedir', 'cacheDir'],
    ['topRatio: 0.25', 'topratio: 0.25', 'plans.delt.select.topratio', 'topRatio'],
    ['interval: 5', 'intervall: 5', 'scores.lqs.proxy.intervall', 'interval'],
    ['contribution: released', 'contributon: released', 'scores.lqs.contributon', 'contribution'],
  ])('%s as %s: the key is named with its line, and the nearest known one', (from, to, path, nearest) => {
    const message = refusal(from, to);
    expect(message).toContain(`demo.yaml:${lineOf(from)}: unknown key "${path}"; did you mean "${nearest}"?`);
  });

  test('a key that resembles none brings the known ones', () => {
    expect(refusal('vocabulary: 4096', 'zzzzzzzzzz: 1')).toContain('known keys: path, vocabulary');
  });

  test.each([
    ['topRatio: 0.25', 'topRatio: 1.5', 'plans.delt.select.topRatio'],
    ['source: demo', 'source: dream', 'corpus.source'],
    ['train: 0.8,', 'train: 0.9,', 'samples.shares'],
    ['score: lqs', 'score: lsq', 'plans.delt.score: no scoring is called "lsq", one of lqs'],
    ['score: lqs, ', '', 'plans.delt: it selects or orders by scores: add "score: NAME", one of lqs'],
    ['target: {', 'targets: {', 'unknown key "targets"; did you mean "target"?'],
    ['\ntarget: { domain: speeches, rows: 192 }', '', 'scores.lqs: method lqs needs a section "target"'],
  ])('%s as %s: the value is named', (from, to, path) => {
    expect(refusal(from, to)).toContain(path);
  });

  test('an unknown method is refused with its line and the known ones', () => {
    expect(() => parseRecipe('name: x\nmethod: plan', 'x.yaml')).toThrow(
      /x\.yaml:2: method: expected one of plans.*"plan"/,
    );
  });

  test('text that is not YAML is refused as such', () => {
    expect(() => parseRecipe('a: [1', 'x.yaml')).toThrow(/x\.yaml: not valid YAML/);
  });
});

test('estimateRun counts parameters, and operations in proportion to steps', () => {
  const recipe = plans(demo);
  const {
    hidden_size: d,
    intermediate_size: ff,
    num_hidden_layers: layers,
  } = recipe.model as unknown as Record<string, number>;
  const tables = recipe.model.tie_word_embeddings ? 1 : 2;
  const expected = tables * 4096 * d + layers * (4 * d * d + 3 * d * ff + 2 * d) + d;
  const estimate = estimateRun(recipe);
  expect(estimate.parameters).toBe(expected);
  const twice = estimateRun({ ...recipe, pretrain: { ...recipe.pretrain!, steps: 2 * recipe.pretrain!.steps } });
  expect(twice.stages[0].flops).toBe(2 * estimate.stages[0].flops);
});
