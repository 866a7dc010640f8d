import { DEFAULT_LAYERS } from './fold.ts';
import type { Method, OrderMethod } from './methods.ts';

/** The options of all orders by name; each takes its own. */
export interface NamedOrderOptions {
  layers?: number;
  window?: number;
  segments?: number;
  seed: number;
}

/** Orders as recipes and the command line call them. */
export const ORDER_NAMES = ['shuffle', 'fold', 'ascending', 'descending', 'zigzag', 'jitter', 'segments'] as const;
export type OrderName = (typeof ORDER_NAMES)[number];

const METHODS: Record<OrderName, (options: NamedOrderOptions) => OrderMethod> = {
  shuffle: ({ seed }) => ({ method: 'shuffle', seed }),
  fold: ({ layers }) => ({ method: 'fold', layers }),
  ascending: () => ({ method: 'sort' }),
  descending: () => ({ method: 'sort', descending: true }),
  zigzag: ({ layers }) => ({ method: 'zigzag', layers }),
  jitter: ({ window, seed }) => ({ method: 'jitter', window: window!, seed }),
  segments: ({ segments, seed }) => ({ method: 'segments', segments: segments!, seed }),
};

/** The option without which an order has no meaning. */
const NEEDED: Partial<Record<OrderName, 'window' | 'segments'>> = { jitter: 'window', segments: 'segments' };

/**
 * What is wrong with an order's options, if anything is.
 * @param nameOf how an option is called where it was given
 */
export function orderProblem(
  name: OrderName,
  options: Omit<NamedOrderOptions, 'seed'>,
  nameOf: (key: string) => string = (key) => key,
): string | undefined {
  const needed = NEEDED[name];
  return needed && options[needed] === undefined ? `${name} needs ${nameOf(needed)}` : undefined;
}

/** The method of a name; `orderProblem` says whether its options are there. */
export function namedOrder(name: OrderName, options: NamedOrderOptions): OrderMethod {
  return METHODS[name](options);
}

const WORDS: { [Name in OrderMethod['method']]: (order: Method<Name>) => string } = {
  sort: ({ descending }) => (descending ? 'from high to low score' : 'from low to high score'),
  fold: ({ layers = DEFAULT_LAYERS }) => `folded in ${layers} layers`,
  zigzag: ({ layers = DEFAULT_LAYERS }) => `in a zigzag of ${layers} layers`,
  jitter: ({ window }) => `from low to high score, shuffled in windows of ${window}`,
  segments: ({ segments }) => `in ${segments} shuffled segments of ascending score`,
  shuffle: () => 'in random order',
};

/** An order in words. */
export function describeOrder(order: OrderMethod): string {
  return (WORDS[order.method] as (order: OrderMethod) => string)(order);
}
