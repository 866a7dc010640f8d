import {
  ByteLevelPreTokenizer,
  SequencePreTokenizer,
  type HuggingFaceTokenizer,
  type PreTokenizer,
} from './hugging-face.ts';

/** Pieces remembered; a corpus has far more different ones than are met often. */
const CACHE_PIECES = 2 ** 18;
/** Longer pieces (characters) are rarely met twice. */
const CACHED_LENGTH = 64;

/**
 * A Hugging Face tokenizer driven piece by piece. Text is cut by the tokenizer's own pre-tokenizer, and each piece is
 * encoded by its own model only the first time it is met: the ids are those of `Tokenizer.encode`, many times faster,
 * since most of a text are words seen before.
 */
export class PieceEncoder {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #split: (text: string) => string[];
  /** A piece as the model takes it. */
  readonly #spell: (piece: string) => string[];
  readonly #addedTokens: string[];
  readonly #cache = new Map<string, number[]>();
  #ids = new Int32Array(1024);

  private constructor(tokenizer: HuggingFaceTokenizer, cut: PieceCut) {
    this.#tokenizer = tokenizer;
    this.#split = cut.split;
    this.#spell = cut.spell;
    this.#addedTokens = [...tokenizer.get_added_tokens_decoder().values()].map(({ content }) => content);
  }

  /** Null where pieces cannot be encoded apart from each other, so that only the whole tokenizer is right. */
  static of(tokenizer: HuggingFaceTokenizer, settings: Record<string, unknown>): PieceEncoder | null {
    const { pre_tokenizer: preTokenizer, model } = tokenizer;
    if (preTokenizer === null || model.fuse_unk) return null;
    if (settings.remove_space || settings.do_lowercase_and_remove_accent) return null;
    return new PieceEncoder(tokenizer, cutOf(preTokenizer));
  }

  /** Null when the text spells out an added token, which the pre-tokenizer must not see. */
  encode(text: string): Int32Array | null {
    const normalized = this.#tokenizer.normalizer?.(text) ?? text;
    if (this.#addedTokens.some((token) => text.includes(token) || normalized.includes(token))) return null;
    let length = 0;
    for (const piece of normalized === '' ? [] : this.#split(normalized)) {
      const ids = this.#cache.get(piece) ?? this.#encodePiece(piece);
      if (length + ids.length > this.#ids.length) this.#grow(length + ids.length);
      for (const id of ids) this.#ids[length++] = id;
    }
    return this.#ids.slice(0, length);
  }

  #encodePiece(piece: string): number[] {
    const { tokens_to_ids: idOf, unk_token_id: unknown } = this.#tokenizer.model;
    const ids = this.#tokenizer.model.encode(this.#spell(piece)).map((token) => idOf.get(token) ?? unknown!);
    if (piece.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHE_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  #grow(length: number): void {
    const grown = new Int32Array(2 * length);
    grown.set(this.#ids);
    this.#ids = grown;
  }
}

interface PieceCut {
  split: (text: string) => string[];
  spell: (piece: string) => string[];
}

/**
 * How a pre-tokenizer cuts. Byte-level ones (GPT-2, Llama 3, Qwen) spell every piece in their byte alphabet, which is
 * slow and only has to be done for pieces not met before: that step is put off where it comes last.
 */
function cutOf(preTokenizer: PreTokenizer): PieceCut {
  const steps = preTokenizer instanceof SequencePreTokenizer ? preTokenizer.tokenizers : [preTokenizer];
  const last = steps.at(-1);
  if (!(last instanceof ByteLevelPreTokenizer) || last.add_prefix_space)
    return { split: (text) => preTokenizer.pre_tokenize(text), spell: (piece) => [piece] };
  const alphabet = new ByteLevelPreTokenizer({ ...last.config, use_regex: false });
  const earlier = steps.slice(0, -1);
  const cut = (part: string): string[] => (last.use_regex ? (part.match(last.pattern) ?? []) : [part]);
  return {
    split: (text) => {
      if (earlier.length === 0) return cut(text);
      return earlier.reduce<string[]>((pieces, step) => step?.pre_tokenize(pieces) ?? pieces, [text]).flatMap(cut);
    },
    spell: (piece) => alphabet.pre_tokenize(piece),
  };
}
