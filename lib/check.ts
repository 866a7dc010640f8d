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

/** Values by index: an array or a typed array. */
export function checkList(name: string, value: unknown): asserts value is ArrayLike<unknown> {
  const listed = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  if (!listed) throw invalid(name, 'an array', value);
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

/** A finite number, strictly above `above` and at most `max` where they are given. */
export function checkFinite(
  name: string,
  value: unknown,
  range: { min?: number; above?: number; max?: number } = {},
): number {
  const { min = -Infinity, above = -Infinity, max = Infinity } = range;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value <= above || value > max) {
    const bounds = [
      range.above !== undefined ? `> ${above}` : '',
      range.min !== undefined ? `>= ${min}` : '',
      range.max !== undefined ? `<= ${max}` : '',
    ].filter(Boolean);
    throw invalid(name, `a finite number${bounds.length ? ` ${bounds.join(' and ')}` : ''}`, value);
  }
  return value;
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
