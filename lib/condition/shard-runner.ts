import { join } from 'node:path';
import { openCorpus, type Corpus } from '../data/corpus.ts';
import { loadTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { conditionShard, type ConditionSettings, type ShardCounts, type ShardTask } from './condition-shard.ts';

/** What every thread opens for itself. */
export interface ShardInputs {
  corpus: string | readonly string[];
  tokenizer: string;
  /** What the paths of the tasks are relative to. */
  folder: string;
  settings: ConditionSettings;
}

/** Makes shards one after the other. */
export class ShardRunner {
  readonly #corpus: Corpus;
  readonly #tokenizer: Tokenizer;
  readonly #inputs: ShardInputs;

  private constructor(corpus: Corpus, tokenizer: Tokenizer, inputs: ShardInputs) {
    this.#corpus = corpus;
    this.#tokenizer = tokenizer;
    this.#inputs = inputs;
  }

  static async open(inputs: ShardInputs): Promise<ShardRunner> {
    return new ShardRunner(await openCorpus(inputs.corpus), await loadTokenizer(inputs.tokenizer), inputs);
  }

  run(
    task: ShardTask,
    call: { signal?: AbortSignal; onProgress?: (documents: number) => void } = {},
  ): Promise<ShardCounts> {
    const { folder, settings } = this.#inputs;
    const paths = {
      conditioned: task.conditioned === null ? null : join(folder, task.conditioned),
      plain: join(folder, task.plain),
    };
    return conditionShard(this.#corpus, this.#tokenizer, settings, { ...task, ...paths }, call);
  }
}
