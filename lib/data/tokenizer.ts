import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkInteger, invalid } from '../check.ts';
import { GradfoldError } from '../errors.ts';
import { writeTextAtomically } from '../atomic-file.ts';
import { fileError } from '../files.ts';
import { learnMerges } from './bpe-trainer.ts';
import {
  ByteLevelPreTokenizer,
  Tokenizer as HuggingFace,
  type ByteLevelConfig,
  type HuggingFaceTokenizer,
} from './hugging-face.ts';
import { PieceEncoder } from './piece-encoder.ts';

/** Text to token ids and back. */
export interface Tokenizer {
  /** One more than the highest token id. */
  readonly vocabularySize: number;
  /** The token that begins a document, where there is one; as in GPT-2, it may be the one that ends documents. */
  readonly beginOfTextId: number | null;
  /** The token that ends a document, where there is one. */
  readonly endOfTextId: number | null;
  /** The token that hides others from an encoder, where there is one. */
  readonly maskId: number | null;
  /** Tokens that stand for no text: end of text, mask and what else there is of that kind; ascending. */
  readonly specialIds: readonly number[];
  /** Ids of the text itself; no begin or end token is added. A special token spelled out in the text becomes its id. */
  encode(text: string): Int32Array;
  /** The text of ids, special tokens spelled out. Exact inverse of `encode` for byte-level tokenizers. */
  decode(ids: ArrayLike<number>): string;
  /**
   * Saves in Hugging Face's format: to `path` itself when it ends in .json, else tokenizer.json and
   * tokenizer_config.json in the directory `path`.
   */
  save(path: string): Promise<void>;
}

const END_OF_TEXT = '<|endoftext|>';
/** What end-of-document tokens are called, tried in this order when tokenizer_config.json does not say. */
const END_OF_TEXT_NAMES = [END_OF_TEXT, '<|end_of_text|>', '</s>', '<eos>', '[SEP]'];
/** What begin-of-document tokens are called, likewise; GPT-2 has one token for both. */
const BEGIN_OF_TEXT_NAMES = ['<|begin_of_text|>', '<s>', '<bos>', '[CLS]', END_OF_TEXT];

const MASK = '<|mask|>';
/** What masks are called, likewise. */
const MASK_NAMES = [MASK, '[MASK]', '<mask>'];

interface AddedToken {
  id: number;
  content: string;
  [property: string]: unknown;
}
type TokenizerFile = Record<string, unknown> & { added_tokens?: AddedToken[] };
type TokenizerSettings = Record<string, unknown>;

export interface TokenizerOptions {
  /** Adds the token <|mask|> with a new id where there is no mask yet. */
  mask?: boolean;
}

/**
 * Loads a Hugging Face tokenizer.json: the file, or the directory that holds it (with its tokenizer_config.json, if
 * any). Errors: NOT_FOUND; INVALID_FILE for one that is not JSON or not a tokenizer.
 */
export async function loadTokenizer(path: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
  const found = await stat(path).catch((error) => {
    throw fileError('read', path, error);
  });
  const file = found.isDirectory() ? join(path, 'tokenizer.json') : path;
  const settings = found.isDirectory() ? await readJson(join(path, 'tokenizer_config.json'), {}) : {};
  const definition = await readJson(file);
  try {
    return tokenizerOf(definition, settings, options);
  } catch (error) {
    throw new GradfoldError(
      'INVALID_FILE',
      `${file}: expected a Hugging Face tokenizer.json of a known kind: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

async function readJson(path: string, fallback?: Record<string, unknown>): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (fallback && (error as NodeJS.ErrnoException).code === 'ENOENT') return fallback;
    throw fileError('read', path, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, 'JSON', text, { code: 'INVALID_FILE', cause: error });
  }
}

function tokenizerOf(
  definition: TokenizerFile,
  settings: TokenizerSettings,
  { mask = false }: TokenizerOptions,
): Tokenizer {
  const tokenizer = new LoadedTokenizer(definition, settings);
  if (!mask || tokenizer.maskId !== null) return tokenizer;
  const { added_tokens: added = [] } = definition;
  const token = specialToken(tokenizer.vocabularySize, MASK);
  return new LoadedTokenizer({ ...definition, added_tokens: [...added, token] }, { ...settings, mask_token: MASK });
}

const specialToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

class LoadedTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly beginOfTextId: number | null;
  readonly endOfTextId: number | null;
  readonly maskId: number | null;
  readonly specialIds: readonly number[];
  readonly #definition: TokenizerFile;
  readonly #settings: TokenizerSettings;
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #pieces: PieceEncoder | null;

  constructor(definition: TokenizerFile, settings: TokenizerSettings) {
    this.#definition = definition;
    this.#settings = settings;
    // Cleaning up spaces would change the text: decode must give back what was encoded.
    this.#tokenizer = new HuggingFace(definition, { ...settings, clean_up_tokenization_spaces: false });
    this.#pieces = PieceEncoder.of(this.#tokenizer, settings);
    this.vocabularySize = this.#tokenizer.model.vocab.length;
    this.beginOfTextId = this.#special(settings.bos_token, BEGIN_OF_TEXT_NAMES);
    this.endOfTextId = this.#special(settings.eos_token, END_OF_TEXT_NAMES);
    this.maskId = this.#special(settings.mask_token, MASK_NAMES);
    const special = [...this.#tokenizer.all_special_ids, this.beginOfTextId, this.endOfTextId, this.maskId];
    this.specialIds = [...new Set(special.filter((id) => id !== null))].sort((p, q) => p - q);
  }

  /** The id of a token by the name that the settings give it, else by its usual ones. */
  #special(setting: unknown, usual: readonly string[]): number | null {
    const named = setting as string | { content: string } | null | undefined;
    const names = named ? [typeof named === 'string' ? named : named.content] : usual;
    return names.map((name) => this.#tokenizer.token_to_id(name)).find((id) => id !== undefined) ?? null;
  }

  encode(text: string): Int32Array {
    return (
      this.#pieces?.encode(text) ?? Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: false }).ids)
    );
  }

  decode(ids: ArrayLike<number>): string {
    if (ids.length === 0) return '';
    return this.#tokenizer.decode(
      Array.from(ids, (id, i) => checkInteger(`ids[${i}]`, id, 0, this.vocabularySize - 1)),
    );
  }

  async save(path: string): Promise<void> {
    if (path.endsWith('.json')) return writeJson(path, this.#definition);
    await mkdir(path, { recursive: true }).catch((error) => {
      throw fileError('write', path, error);
    });
    await writeJson(join(path, 'tokenizer.json'), this.#definition);
    await writeJson(join(path, 'tokenizer_config.json'), {
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...(this.endOfTextId === null ? {} : { eos_token: this.#tokenizer.id_to_token(this.endOfTextId) }),
      ...(this.maskId === null ? {} : { mask_token: this.#tokenizer.id_to_token(this.maskId) }),
      ...this.#settings,
      clean_up_tokenization_spaces: false,
    });
  }
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeTextAtomically(path, `${JSON.stringify(value, null, 1)}\n`);
}

export interface TrainTokenizerOptions {
  /**
   * Tokens wanted: 256 bytes, the merges, the end-of-text token and the mask, if any. Fewer come of a text too small for
   * them.
   */
  vocabularySize: number;
  /** With the token <|mask|>, which an encoder needs. */
  mask?: boolean;
  /** Told the share done, in [0, 1]. */
  onProgress?(share: number): void;
  signal?: AbortSignal;
}

/** GPT-2's pre-tokenisation: words with their leading space, spelled in an alphabet of 256 printable characters. */
const BYTE_LEVEL: ByteLevelConfig = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
export const SMALLEST_VOCABULARY = 257;
/** Merges between two looks at the signal. */
const CHECK_INTERVAL = 64;

/**
 * Trains a byte-level BPE tokenizer with GPT-2's pre-tokenisation (Radford et al. 2019) and the special token
 * <|endoftext|>, which gets the last id, or the last but one before <|mask|>. Deterministic: the same texts in any order give the same tokenizer. Memory grows with
 * the number of different words: 5-10 MB of text are a good sample for a few thousand tokens.
 */
export function trainTokenizer(texts: Iterable<string>, options: TrainTokenizerOptions): Tokenizer {
  const { mask = false } = options;
  const size = checkInteger('vocabularySize', options.vocabularySize, SMALLEST_VOCABULARY + Number(mask));
  const bytes = new ByteLevelPreTokenizer(BYTE_LEVEL);
  const pieces = new Map<string, number>();
  for (const text of texts) {
    options.signal?.throwIfAborted();
    for (const piece of text.match(bytes.pattern) ?? []) pieces.set(piece, (pieces.get(piece) ?? 0) + 1);
  }
  const { pairs, tokens } = learnMerges(pieces, size - 1 - Number(mask), (count) => {
    if (count % CHECK_INTERVAL !== 0) return;
    options.signal?.throwIfAborted();
    options.onProgress?.(count / size);
  });
  const spellings = tokens.map((token) => Array.from(token, (byte) => bytes.byte_encoder[byte.charCodeAt(0)]).join(''));
  options.onProgress?.(1);
  return tokenizerOf(byteLevelDefinition(spellings, pairs), {}, { mask });
}

/** A tokenizer.json as Hugging Face's own trainer would write it. */
function byteLevelDefinition(spellings: string[], pairs: [number, number][]): TokenizerFile {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [specialToken(spellings.length, END_OF_TEXT)],
    normalizer: null,
    pre_tokenizer: BYTE_LEVEL,
    post_processor: null,
    decoder: BYTE_LEVEL,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries([...spellings, END_OF_TEXT].map((token, id) => [token, id])),
      merges: pairs.map(([left, right]) => [spellings[left], spellings[right]]),
    },
  };
}
