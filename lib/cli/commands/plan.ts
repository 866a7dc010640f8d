import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_LAYERS } from '../../order/fold.ts';
import { orderFile, type FileOrder, type FileSelection } from '../../order/order-file.ts';
import {
  claimOutput,
  defineCommand,
  forceOption,
  number,
  option,
  outOption,
  positiveInteger,
  numberIn,
} from '../command.ts';
import { UsageError } from '../io.ts';

const ORDERS: Record<string, (layers: number) => FileOrder> = {
  fold: (layers) => ({ method: 'fold', layers }),
  ascending: () => ({ method: 'sort' }),
  descending: () => ({ method: 'sort', descending: true }),
  input: () => ({ method: 'input' }),
};

const SELECTIONS = ['topRatio', 'topK', 'above'] as const;

export const plan = defineCommand<{
  out: string;
  column: string;
  topRatio?: number;
  topK?: number;
  above?: number;
  method: string;
  layers: number;
  memory: number;
  force: boolean;
}>({
  usage: 'plan <scores...>',
  description: 'Select and order in one go, in little memory: score files of any size, several of them being shards.',
  example: 'gradfold plan scores-0.arrow scores-1.arrow --top-ratio 0.5 --memory 4G --out plan.arrow',
  options: [
    outOption('the plan'),
    option('--column <name>', 'score column', String, 'lqs'),
    option('--top-ratio <r>', 'keep this share, in (0, 1]', numberIn({ above: 0, max: 1 })),
    option('--top-k <k>', 'keep this many', positiveInteger),
    option('--above <x>', 'keep scores strictly above x', number),
    new Option('--method <name>', 'how the kept rows are ordered').choices(Object.keys(ORDERS)).default('fold'),
    option('--layers <n>', 'layers of a fold', positiveInteger, DEFAULT_LAYERS),
    option('--memory <bytes>', 'most memory to take for it, as in 500M', bytes).default(4 * 2 ** 30, '4G'),
    forceOption,
  ],
  async run({ args, options, io: { signal }, progress }) {
    const { out, column, method, layers, memory } = options;
    const given = SELECTIONS.filter((key) => options[key] !== undefined);
    if (given.length > 1) throw new UsageError('plan: give one of --top-ratio, --top-k and --above at most');
    const select = given.length ? ({ [given[0]]: options[given[0]] } as unknown as FileSelection) : undefined;
    await claimOutput(out, options.force);
    const order = ORDERS[method](layers);
    const files = args[0] as string[];
    const result = await orderFile(files, out, {
      column,
      select,
      order,
      memory,
      metadata: { from: files.join(', '), column, ...(select && { select: JSON.stringify(select) }) },
      signal,
      onProgress: ({ step, done, of }) => progress.update(step, done, of, 'rows'),
    });
    return {
      json: { path: out, ...result, method },
      text: `${out}: ${result.rows} of ${result.of} rows, read in ${result.passes} passes`,
    };
  },
});

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)$/.exec(text);
  if (!match) throw new InvalidArgumentError('expected bytes, as in 500M or 4G.');
  return Math.floor(Number(match[1]) * UNITS[match[2]]);
}
