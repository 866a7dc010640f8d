import * as library from '@huggingface/tokenizers';

// The library's declarations import each other without file extensions, which ESM resolution does not follow, so that
// all its names would be untyped. These are the parts used here, as its own declarations state them.

export interface HuggingFaceTokenizer {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: PreTokenizer | null;
  readonly model: TokenizerModel;
  /** Of the added tokens that stand for no text. */
  readonly all_special_ids: number[];
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[]): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): Map<number, { content: string }>;
}

export interface PreTokenizer {
  pre_tokenize(text: string | string[]): string[];
}

export interface ByteLevelPreTokenizer extends PreTokenizer {
  readonly config: ByteLevelConfig;
  readonly add_prefix_space: boolean;
  readonly use_regex: boolean;
  readonly pattern: RegExp;
  readonly byte_encoder: Record<number, string>;
}

export interface SequencePreTokenizer extends PreTokenizer {
  readonly tokenizers: (PreTokenizer | null)[];
}

export interface ByteLevelConfig {
  type: 'ByteLevel';
  add_prefix_space: boolean;
  trim_offsets: boolean;
  use_regex: boolean;
}

export interface TokenizerModel {
  /** Tokens by id. */
  readonly vocab: string[];
  readonly tokens_to_ids: Map<string, number>;
  readonly unk_token_id?: number;
  readonly fuse_unk: boolean;
  encode(pieces: string[]): string[];
}

interface Library {
  Tokenizer: new (definition: object, settings: object) => HuggingFaceTokenizer;
  ByteLevelPreTokenizer: new (config: ByteLevelConfig) => ByteLevelPreTokenizer;
  SequencePreTokenizer: new (config: object) => SequencePreTokenizer;
}

export const { Tokenizer, ByteLevelPreTokenizer, SequencePreTokenizer } = library as unknown as Library;
