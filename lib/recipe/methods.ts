import { AUTOSCALE } from './autoscale/method.ts';
import { MECO } from './meco/index.ts';
import type { BaseRecipe, RecipeMethod } from './method.ts';
import { PLANS } from './plans-method.ts';

/** What a recipe's `method` may be. */
export const RECIPE_METHODS = { plans: PLANS, meco: MECO, autoscale: AUTOSCALE };

export type MethodName = keyof typeof RECIPE_METHODS;
type RecipeOf<Method> = Method extends RecipeMethod<infer R, infer _> ? R : never;
/** A recipe of any method, with every default filled in. */
export type AnyRecipe = RecipeOf<(typeof RECIPE_METHODS)[MethodName]>;

/** The method of recipes that name none, and of runs made before there were others. */
export const DEFAULT_METHOD: MethodName = 'plans';

export const isMethod = (name: unknown): name is MethodName =>
  typeof name === 'string' && Object.hasOwn(RECIPE_METHODS, name);

/** A method under the types that all have in common: it is given only what came through its own schema. */
export function recipeMethod(name: string = DEFAULT_METHOD): RecipeMethod {
  return RECIPE_METHODS[name as MethodName] as unknown as RecipeMethod;
}

/** The method of a recipe. */
export const methodOf = ({ method }: BaseRecipe): RecipeMethod => recipeMethod(method);
