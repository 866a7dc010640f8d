/**
 * What went wrong, as a word a program can branch on. The message is for a person: it names the thing, what was
 * expected, what was found, and the fix.
 */
export type ErrorCode =
  | 'INVALID_ARGUMENT' // a wrong value, shape or range in a call
  | 'INVALID_DATA' // a NaN score, a corrupt line, an unknown column
  | 'INVALID_FILE' // a truncated or foreign file, a missing tensor
  | 'NOT_FOUND' // a file or directory that is not there
  | 'UNSUPPORTED' // a model, option or precision this build does not do
  | 'UNAVAILABLE' // a backend, compiler or device that is missing here
  | 'DISPOSED' // use after dispose()
  | 'OUT_OF_MEMORY'
  | 'IO'; // the disk is full, no permission

/** Every error that gradfold raises on purpose. Aborted calls reject with the signal's own reason instead. */
export class GradfoldError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GradfoldError';
    this.code = code;
  }
}
