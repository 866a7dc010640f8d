import { join, resolve } from 'node:path';
import type { Backend } from '../backend/types.ts';
import { openCorpus, type Corpus } from '../data/corpus.ts';
import { openSamples, type Samples } from '../data/samples.ts';
import { openRecipeBackend } from './backend.ts';
import type { BaseRecipe } from './method.ts';
import type { Recipe } from './schema.ts';
import type { Stage } from './stage.ts';

/** What the stages of one run share. Files and the backend are opened when first needed. */
export class RunContext<R extends BaseRecipe = Recipe> {
  readonly recipe: R;
  readonly dir: string;
  /** What relative paths of the recipe start from. */
  readonly recipeDir: string;
  readonly signal: AbortSignal | undefined;
  /** Documents to take at most. */
  readonly limit: number | undefined;
  readonly note: (message: string) => void;
  #backend: Promise<Backend> | undefined;
  #corpus: Promise<Corpus> | undefined;
  #samples: Promise<Samples> | undefined;

  constructor(options: {
    recipe: R;
    dir: string;
    recipeDir: string;
    signal?: AbortSignal;
    limit?: number;
    note: (message: string) => void;
  }) {
    this.recipe = options.recipe;
    this.dir = options.dir;
    this.recipeDir = options.recipeDir;
    this.signal = options.signal;
    this.limit = options.limit;
    this.note = options.note;
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** A path of the recipe, which starts from its folder. */
  recipePath(path: string): string {
    return resolve(this.recipeDir, path);
  }

  backend(): Promise<Backend> {
    this.#backend ??= openRecipeBackend(this.recipe.backend).then((backend) => {
      if (backend.name === 'reference' && this.recipe.backend.name === 'auto') {
        this.note(
          'only the slow reference backend is available (see `gradfold doctor`): ' +
            'take a smaller model and fewer steps and rows in the recipe, and fewer documents with --limit',
        );
      }
      return backend;
    });
    return this.#backend;
  }

  corpus(): Promise<Corpus> {
    this.#corpus ??= openCorpus(this.path(FILES.corpus));
    return this.#corpus;
  }

  samples(): Promise<Samples> {
    this.#samples ??= openSamples(this.path(FILES.samples));
    return this.#samples;
  }

  async dispose(): Promise<void> {
    const backend = await this.#backend?.catch(() => undefined);
    backend?.dispose();
  }
}

export type RunStage = Stage<RunContext>;

/** The files of a run, relative to its folder. */
export const FILES = {
  corpus: 'corpus.arrow',
  tokenizer: 'tokenizer/',
  samples: 'samples.arrow',
  pretrain: 'pretrain/',
  scores: 'scores/',
  evaluation: 'evaluation.json',
  quality: 'quality.json',
  reportData: 'report.json',
  report: 'report.html',
  record: 'run.json',
} as const;

/** The pool's scores by one scoring; the column has its name. */
export const scoreFile = (scoring: string): string => `${FILES.scores}${scoring}.arrow`;

/** What a scoring leaves beside its scores, such as a model that gives them. */
export const leavingsOf = (scoring: string): string => `${FILES.scores}${scoring}/`;
