import { checkChoice, invalid } from '../check.ts';
import { FORMS, METADATA_FORMS, type HostNames, type MetadataForm } from './metadata-forms.ts';

/**
 * What is done about a document without metadata, or with metadata that have not the wanted form: it stays without
 * prefix, its metadata are "unknown", or it is an error.
 */
export type MissingMetadata = 'drop-prefix' | 'unknown' | 'fail';

export const MISSING_METADATA: readonly MissingMetadata[] = ['drop-prefix', 'unknown', 'fail'];

/** What stands for metadata that are not there, or not frequent enough. */
export const UNKNOWN = 'unknown';

export interface MetadataOptions {
  /** What the URL becomes; default 'host'. */
  form?: MetadataForm;
  /**
   * Instead of `form`: text with {column} for a column's value and {column:form} for a URL's form; {{ and }} are braces.
   * A text without columns is the same for every document.
   */
  template?: string;
  /** The column of the URL; default 'url'. */
  urlColumn?: string;
  /** Default 'drop-prefix'. */
  missing?: MissingMetadata;
  /** What stands for hosts (forms 'hash', 'uuid' and 'top-hosts'). */
  names?: HostNames;
}

/** How many documents had metadata. */
export interface MetadataCounts {
  given: number;
  /** Null or empty. */
  missing: number;
  /** Not a URL, or one without what the form asks for. */
  malformed: number;
}

type Part = string | { column: string; form?: MetadataForm };

/** Reads the metadata of documents, and counts those that have none. */
export class MetadataReader {
  readonly counts: MetadataCounts = { given: 0, missing: 0, malformed: 0 };
  readonly #parts: readonly Part[];
  readonly #missing: MissingMetadata;
  readonly #names: HostNames | undefined;

  /** @throws GradfoldError INVALID_ARGUMENT for an unknown form or a template that cannot be read */
  constructor(options: MetadataOptions = {}) {
    this.#parts = partsOf(options);
    this.#missing = checkChoice('missing', options.missing ?? 'drop-prefix', MISSING_METADATA);
    this.#names = options.names;
  }

  /** The columns that are read. */
  get columns(): string[] {
    return this.#parts.flatMap((part) => (typeof part === 'string' ? [] : [part.column]));
  }

  /** The columns of URLs whose hosts go by other names. */
  get hostColumns(): { column: string; form: MetadataForm }[] {
    return this.#parts.flatMap((part) => {
      if (typeof part === 'string' || part.form === undefined || !FORMS[part.form].usesHosts) return [];
      return [{ column: part.column, form: part.form }];
    });
  }

  /**
   * The metadata of one document; null where its prefix is to be dropped.
   * @param value the document's value of a column, null or undefined where it has none
   * @param what names the document in an error
   * @throws GradfoldError INVALID_DATA for missing or malformed metadata where they must not be
   */
  read(value: (column: string) => unknown, what: string): string | null {
    let worst: keyof MetadataCounts = 'given';
    let text = '';
    for (const part of this.#parts) {
      if (typeof part === 'string') {
        text += part;
        continue;
      }
      const found = value(part.column);
      const known = found !== null && found !== undefined && found !== '';
      const words = known ? this.#words(part.form, String(found)) : null;
      if (words === null) {
        worst = known ? 'malformed' : 'missing';
        if (this.#missing === 'fail') {
          throw invalid(`${what}, column '${part.column}'`, expectation(part.form), found, {
            code: 'INVALID_DATA',
            fix: "say what is done about such documents: missing: 'drop-prefix' or 'unknown' (--missing)",
          });
        }
      }
      text += words ?? UNKNOWN;
    }
    this.counts[worst]++;
    return worst !== 'given' && this.#missing === 'drop-prefix' ? null : text;
  }

  #words(form: MetadataForm | undefined, value: string): string | null {
    return form === undefined ? value : FORMS[form].of(value, this.#names, UNKNOWN);
  }
}

function expectation(form: MetadataForm | undefined): string {
  return form === undefined ? 'a value' : `a URL to take its ${form} of`;
}

function partsOf({ form, template, urlColumn = 'url' }: MetadataOptions): Part[] {
  if (template === undefined) {
    return [{ column: urlColumn, form: checkChoice('form', form ?? 'host', METADATA_FORMS) }];
  }
  if (form !== undefined) throw invalid('template', 'none beside form', template);
  return parseTemplate(template);
}

function parseTemplate(template: string): Part[] {
  const parts: Part[] = [];
  for (const [token] of template.matchAll(/\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]/g)) {
    if (token === '{{' || token === '}}') parts.push(token[0]);
    else if (token.length > 2 && token.startsWith('{')) {
      const [, column, form] = /^\{([^:]*)(?::(.*))?\}$/.exec(token)!;
      if (column === '') throw badTemplate(template);
      parts.push({
        column,
        form: form === undefined ? undefined : checkChoice(`form of {${column}}`, form, METADATA_FORMS),
      });
    } else if (/[{}]/.test(token)) throw badTemplate(template);
    else parts.push(token);
  }
  if (parts.length === 0) throw badTemplate(template);
  return parts;
}

function badTemplate(template: string): Error {
  return invalid('template', 'text with {column} or {column:form}', template, { fix: 'write {{ and }} for braces' });
}
