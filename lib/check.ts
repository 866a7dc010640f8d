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
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} of ${(value as unknown as { length: number }).length}`;
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value;
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
  if (array.length !== length) throw invalid(name, `${length} values (${what})`, array.length);
}

/** Rejects NaN and infinities, naming the index of the first one. */
export function checkFiniteArray(name: string, array: ArrayLike<number>): void {
  for (let i = 0; i < array.length; i++) {
    if (!Number.isFinite(array[i]))
      throw invalid(`${name}[${i}]`, 'a finite number', array[i], { code: 'INVALID_DATA' });
  }
}
