import { GradfoldError, type ErrorCode } from './errors.ts';

/** The one message form for bad input: what, what it should have been, what it is, and (where there is one) the fix. */
export function invalid(
  name: string,
  expected: string,
  actual: unknown,
  options: { code?: ErrorCode; fix?: string; cause?: unknown } = {},
): GradfoldError {
  const fix = options.fix ? `; ${options.fix}` : '';
  return new GradfoldError(
    options.code ?? 'INVALID_ARGUMENT',
    `${name}: expected ${expected}, got ${show(actual)}${fix}`,
    {
      cause: options.cause,
    },
  );
}

/** A value as it should appear in a message: short, with its type when that is not obvious. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${sizeOf(value)}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object') return typeof value;
  const { constructor } = value;
  return typeof constructor === 'function' && constructor.name ? constructor.name : 'an object';
}

function sizeOf(view: ArrayBufferView): string {
  if (view.buffer.byteLength === 0) return '0 (its buffer is empty or was transferred)';
  return 'length' in view ? String(view.length) : `${view.byteLength} bytes`;
}

/** Something with properties: an options object, a batch, a configuration. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw invalid(name, 'an object', value);
}

/** Options whose signal, if they have one, can be listened to and has not been aborted; throws its reason if it has. */
export function checkCall(name: string, options: { signal?: unknown }): void {
  checkObject(name, options);
  const { signal } = options;
  if (signal === undefined) return;
  if (!(signal instanceof AbortSignal)) throw invalid(`${name}.signal`, 'an AbortSignal', signal);
  signal.throwIfAborted();
}

/** Every name of an options type: the compiler says which one a list lacks or has too many. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * What checkCall checks, and that there is no option but those known: one with a slip in its name would be passed over,
 * and the result would be another one than was asked for.
 */
export function checkOptions<Options extends object>(
  name: string,
  options: Options,
  known: OptionNames<Options>,
): void {
  checkCall(name, options);
  for (const [given, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(known, given)) continue;
    throw invalid(name, `no options but ${Object.keys(known).join(', ')}`, given);
  }
}

/** Numbers or other things by index: an array or a typed array. */
export function checkList(name: string, value: unknown): asserts value is ArrayLike<unknown> {
  if (Array.isArray(value)) return;
  if (!(ArrayBuffer.isView(value) && 'length' in value)) throw invalid(name, 'an array', value);
  try {
    (value as Uint8Array).at(0);
  } catch {
    throw invalid(name, 'an array', value, { fix: 'its buffer was transferred or shrunk' });
  }
}

/** Things by index that no typed array can hold. */
export function checkArray(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(name, 'an array', value);
}

/** One of the names that there are. */
export function checkChoice<T extends string>(name: string, value: unknown, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw invalid(name, `one of ${known.join(', ')}`, value);
  return found;
}

export function checkInteger(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(
      name,
      max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer in [${min}, ${max}]`,
      value,
    );
  }
  return value;
}

/** Where a number has to be: min and max included, above and below not. */
export interface NumberRange {
  min?: number;
  above?: number;
  max?: number;
  below?: number;
}

const BOUNDS: Record<keyof NumberRange, { sign: string; holds(value: number, bound: number): boolean }> = {
  above: { sign: '>', holds: (value, bound) => value > bound },
  min: { sign: '>=', holds: (value, bound) => value >= bound },
  max: { sign: '<=', holds: (value, bound) => value <= bound },
  below: { sign: '<', holds: (value, bound) => value < bound },
};

const SIDES = Object.keys(BOUNDS) as (keyof NumberRange)[];

/** A finite number within a range. */
export function checkFinite(name: string, value: unknown, range: NumberRange = {}): number {
  if (typeof value === 'number' && isWithin(value, range)) return value;
  throw invalid(name, `a finite number${boundsOf(range)}`, value);
}

export function isWithin(value: number, range: NumberRange): boolean {
  if (!Number.isFinite(value)) return false;
  for (const side of SIDES) {
    const bound = range[side];
    if (bound !== undefined && !BOUNDS[side].holds(value, bound)) return false;
  }
  return true;
}

/** A range in words that follow "a number". */
export function boundsOf(range: NumberRange): string {
  const words = SIDES.filter((side) => range[side] !== undefined).map((side) => `${BOUNDS[side].sign} ${range[side]}`);
  return words.length > 0 ? ` ${words.join(' and ')}` : '';
}

export function checkLength(name: string, array: ArrayLike<unknown>, length: number, what: string): void {
  checkList(name, array);
  if (array.length !== length) throw invalid(name, `${length} values (${what})`, array.length);
}

/** Rejects NaN and infinities, naming the index of the first one. */
export function checkFiniteArray(name: string, array: ArrayLike<number>): void {
  for (let i = 0; i < array.length; i++) {
    if (!Number.isFinite(array[i]))
      throw invalid(`${name}[${i}]`, 'a finite number', array[i], { code: 'INVALID_DATA' });
  }
}
