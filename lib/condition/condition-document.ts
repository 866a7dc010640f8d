import { checkChoice, checkInteger, checkList, checkOptions, invalid, type OptionNames } from '../check.ts';
import { IGNORED_LABEL } from '../data/batch.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { FORMS, METADATA_FORMS, type HostNames, type MetadataForm } from './metadata-forms.ts';
import { MISSING_METADATA, UNKNOWN, type MissingMetadata } from './metadata-reader.ts';

/** The text around the metadata (Gao et al. 2025, "Metadata conditioning accelerates language model pre-training"). */
export const DEFAULT_PREFIX = 'URL: ';
export const DEFAULT_SUFFIX = '\n\n';

const LARGEST_ID = 2 ** 31 - 1;

export interface ConditionOptions {
  /** Needed where document, metadata, prefix or suffix are text. */
  tokenizer?: Pick<Tokenizer, 'encode'> & Partial<Pick<Tokenizer, 'beginOfTextId' | 'endOfTextId'>>;
  /** Before metadata that are text; default 'URL: '. Of metadata that are tokens only where it is given. */
  prefix?: string | ArrayLike<number>;
  /** After them; default two line breaks. */
  suffix?: string | ArrayLike<number>;
  /** The token before everything; default: the tokenizer's. Null: none. */
  bosId?: number | null;
  /** The token after the document; default: the tokenizer's. Null: none. */
  eosId?: number | null;
  /** What metadata that are a URL become; by default they are taken as they are. */
  form?: MetadataForm;
  /**
   * What stands for hosts: needed for the form 'top-hosts', where other hosts are "unknown"; in place of the usual names for
   * 'hash' and 'uuid'. `new Map(topHosts(await countHosts(urls), 2).map((host) => [host, host]))` names the top 2 %.
   */
  names?: HostNames;
  /** What is done about empty metadata, or metadata that have not the form; default 'drop-prefix'. */
  missing?: MissingMetadata;
  /** Metadata, prefix, suffix and begin token count in the loss as well; default false. */
  trainOnMetadata?: boolean;
}

const OPTIONS: OptionNames<ConditionOptions> = {
  tokenizer: true,
  prefix: true,
  suffix: true,
  bosId: true,
  eosId: true,
  form: true,
  names: true,
  missing: true,
  trainOnMetadata: true,
};

export interface ConditionedDocument {
  inputIds: Int32Array;
  /** The tokens; −100 on the begin token, prefix, metadata and suffix. */
  labels: Int32Array;
  /** Tokens before the document's own. */
  contextLength: number;
}

/**
 * BOS + tokens(prefix + metadata + suffix) + tokens(document) + EOS, with the loss on the document and its end alone (MeCo,
 * Gao et al. 2025). Without metadata (null), BOS + tokens(document) + EOS: what the cooldown trains on.
 * @param document text, or its tokens
 * @param metadata text, encoded together with prefix and suffix where those are text; or tokens, which are taken for all
 *   that comes before the document
 * @throws GradfoldError INVALID_ARGUMENT, also where text has no tokenizer or a begin or end token is not known;
 *   INVALID_DATA for missing metadata where they must not be
 */
export function conditionDocument(
  document: string | ArrayLike<number>,
  metadata: string | ArrayLike<number> | null | undefined,
  options: ConditionOptions = {},
): ConditionedDocument {
  checkOptions('options', options, OPTIONS);
  const body = tokensOf('document', document, options);
  const context = metadataTokens(metadata, options);
  const begin = endToken('bosId', options.bosId, options.tokenizer?.beginOfTextId);
  const end = endToken('eosId', options.eosId, options.tokenizer?.endOfTextId);
  return assemble(begin, context, body, end, options.trainOnMetadata ?? false);
}

/** The parts one after the other. */
export function assemble(
  begin: number | null,
  context: ArrayLike<number>,
  body: ArrayLike<number>,
  end: number | null,
  trainOnMetadata: boolean,
): ConditionedDocument {
  const first = begin === null ? 0 : 1;
  const contextLength = first + context.length;
  const inputIds = new Int32Array(contextLength + body.length + (end === null ? 0 : 1));
  if (begin !== null) inputIds[0] = begin;
  inputIds.set(context, first);
  inputIds.set(body, contextLength);
  if (end !== null) inputIds[inputIds.length - 1] = end;
  const labels = inputIds.slice();
  if (!trainOnMetadata) labels.fill(IGNORED_LABEL, 0, contextLength);
  return { inputIds, labels, contextLength };
}

/** What comes between the begin token and the document; nothing without metadata. */
function metadataTokens(
  metadata: string | ArrayLike<number> | null | undefined,
  options: ConditionOptions,
): ArrayLike<number> {
  const { prefix, suffix } = options;
  if (metadata !== null && metadata !== undefined && typeof metadata !== 'string') {
    const around = (name: string, value: typeof prefix) => [...Array.from(tokensOf(name, value ?? [], options))];
    return [...around('prefix', prefix), ...around('metadata', metadata), ...around('suffix', suffix)];
  }
  const text = metadataText(metadata, options);
  if (text === null) return [];
  const before = prefix ?? DEFAULT_PREFIX;
  const after = suffix ?? DEFAULT_SUFFIX;
  if (typeof before === 'string' && typeof after === 'string') {
    return tokensOf('metadata', before + text + after, options);
  }
  const parts = Object.entries({ prefix: before, metadata: text, suffix: after });
  return parts.flatMap(([name, part]) => Array.from(tokensOf(name, part, options)));
}

function metadataText(metadata: string | null | undefined, options: ConditionOptions): string | null {
  const { form, missing } = options;
  const policy = checkChoice('missing', missing ?? 'drop-prefix', MISSING_METADATA);
  const names = checkNames(options);
  const given = metadata || null;
  const text = given !== null && form !== undefined ? FORMS[form].of(given, names, UNKNOWN) : given;
  if (text !== null || policy === 'drop-prefix') return text;
  if (policy === 'unknown') return UNKNOWN;
  throw invalid('metadata', form === undefined ? 'some' : `a URL to take its ${form} of`, metadata, {
    code: 'INVALID_DATA',
    fix: "or say what is done without: missing: 'drop-prefix' or 'unknown'",
  });
}

/** The names of hosts, which a form that takes hosts from a table has to have. */
function checkNames({ form, names }: ConditionOptions): HostNames | undefined {
  if (form !== undefined) checkChoice('form', form, METADATA_FORMS);
  const { usesHosts = false, name } = form === undefined ? {} : FORMS[form];
  if (names === undefined) {
    if (!usesHosts || name !== undefined) return undefined;
    throw invalid('options.names', `a Map of hosts and what stands for them, for the form ${form}`, names, {
      fix: 'topHosts says which hosts are frequent',
    });
  }
  if (!usesHosts) throw invalid('options.names', "none but for the forms 'hash', 'uuid' and 'top-hosts'", names);
  if (!(names instanceof Map)) throw invalid('options.names', 'a Map of hosts and what stands for them', names);
  return names;
}

function tokensOf(name: string, value: string | ArrayLike<number>, { tokenizer }: ConditionOptions): ArrayLike<number> {
  if (typeof value === 'string') {
    if (tokenizer !== undefined) return tokenizer.encode(value);
    throw invalid(name, 'tokens, as there is no tokenizer', value, { fix: 'give options.tokenizer (loadTokenizer)' });
  }
  checkList(name, value);
  for (let i = 0; i < value.length; i++) checkInteger(`${name}[${i}]`, value[i], 0, LARGEST_ID);
  return value;
}

function endToken(
  name: 'bosId' | 'eosId',
  given: number | null | undefined,
  ofTokenizer: number | null | undefined,
): number | null {
  const id = given === undefined ? ofTokenizer : given;
  if (id === undefined) {
    throw invalid(`options.${name}`, 'a token id, or null for none', id, {
      fix: 'give it, or a tokenizer that knows it',
    });
  }
  return id === null ? null : checkInteger(`options.${name}`, id, 0, LARGEST_ID);
}
