import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { learnMerges } from '../../lib/data/bpe-trainer.ts';
import { loadTokenizer, trainTokenizer } from '../../lib/data/tokenizer.ts';
import { UNICODE_TEXTS, temporaryDirectory } from './helpers.ts';

const directory = temporaryDirectory();
/** Real prose: the project's licence and this file. */
const PROSE = ['../../LICENSE', './tokenizer.test.ts'].map((path) =>
  readFileSync(new URL(path, import.meta.url), 'utf8'),
);
const TEXTS = [...PROSE, ...PROSE.flatMap((text) => text.split('\n\n')), ...UNICODE_TEXTS];
const trained = trainTokenizer(TEXTS, { vocabularySize: 600 });

/** Ids by the library alone, the whole text at once. */
function libraryIds(definition: Record<string, unknown>, text: string): number[] {
  const tokenizer = new HuggingFaceTokenizer(definition, { clean_up_tokenization_spaces: false });
  return tokenizer.encode(text, { add_special_tokens: false }).ids;
}

async function definitionOf(tokenizer: typeof trained): Promise<Record<string, unknown>> {
  const path = join(directory, 'definition.json');
  await tokenizer.save(path);
  return JSON.parse(readFileSync(path, 'utf8'));
}

describe('learnMerges', () => {
  it('joins the most frequent pair, the smaller ids on ties, until no pair occurs twice', () => {
    // abab x 3: (a,b) 6 times, then (ab,ab) 3 times; cd and ce once each: nothing more.
    const counts = new Map([
      ['abab', 3],
      ['cd', 1],
      ['ce', 1],
    ]);
    const { pairs, tokens } = learnMerges(counts, 300);
    expect(pairs).toEqual([
      [97, 98],
      [256, 256],
    ]);
    expect(tokens.slice(256)).toEqual(['ab', 'abab']);
    const tie = learnMerges(
      new Map([
        ['xy', 2],
        ['ab', 2],
      ]),
      257,
    );
    expect(tie.tokens[256]).toBe('ab');
  });

  it('counts overlapping repeats as they merge', () => {
    // aa aa a: the pairs (aa,a) and (aa,aa) tie, and a is the smaller id.
    const { tokens } = learnMerges(new Map([['aaaaa', 2]]), 300);
    expect(tokens.slice(256)).toEqual(['aa', 'aaa', 'aaaaa']);
  });
});

describe('a trained tokenizer', () => {
  it('is the same for the same texts in any order', async () => {
    const again = trainTokenizer([...TEXTS].reverse(), { vocabularySize: 600 });
    expect(await definitionOf(again)).toEqual(await definitionOf(trained));
  });

  it('has the vocabulary asked for, ended by the end of text', () => {
    expect(trained.vocabularySize).toBe(600);
    expect(trained.endOfTextId).toBe(599);
    expect(trained.decode([599])).toBe('<|endoftext|>');
  });

  it('decodes what it encoded, and shortens prose', () => {
    for (const text of TEXTS) expect(trained.decode(trained.encode(text))).toBe(text);
    expect(trained.encode(PROSE[0]).length).toBeLessThan(PROSE[0].length / 2);
  });

  it('encodes as @huggingface/tokenizers does, an added token in the text included', async () => {
    const definition = await definitionOf(trained);
    for (const text of [...TEXTS, 'one<|endoftext|>two <|endoftext|>', 'a'.repeat(300)])
      expect([...trained.encode(text)]).toEqual(libraryIds(definition, text));
  });

  it('is the same after saving and loading', async () => {
    await trained.save(join(directory, 'saved'));
    const loaded = await loadTokenizer(join(directory, 'saved'));
    expect(loaded.vocabularySize).toBe(trained.vocabularySize);
    expect(loaded.endOfTextId).toBe(trained.endOfTextId);
    for (const text of TEXTS) expect(loaded.encode(text)).toEqual(trained.encode(text));
    expect(await definitionOf(loaded)).toEqual(await definitionOf(trained));
  });

  it('comes out smaller of a text too small for it', () => {
    const small = trainTokenizer(['ab ab ab'], { vocabularySize: 1000 });
    expect(small.vocabularySize).toBeLessThan(265);
    expect(small.decode(small.encode('ab abc'))).toBe('ab abc');
  });

  it('rejects a vocabulary without room for bytes, and ids outside it', () => {
    expect(() => trainTokenizer([], { vocabularySize: 200 })).toThrow(/vocabularySize.*>= 257/);
    expect(() => trained.decode([0, 600])).toThrow(/ids\[1\]/);
  });

  it("stops with the signal's reason", () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    expect(() => trainTokenizer(TEXTS, { vocabularySize: 600, signal })).toThrow('stopped');
  });
});

describe('a foreign tokenizer.json', () => {
  const variants: Record<string, (definition: Record<string, unknown>) => Record<string, unknown>> = {
    'a split by expression before the byte alphabet (Llama 3)': (definition) => ({
      ...definition,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          {
            type: 'Split',
            pattern: {
              Regex:
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            },
            behavior: 'Isolated',
            invert: false,
          },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
    }),
    'a space put first': (definition) => ({
      ...definition,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    }),
    'a normalizer': (definition) => ({ ...definition, normalizer: { type: 'NFC' } }),
  };

  it.each(Object.keys(variants))('with %s is encoded as the library does', async (name) => {
    const definition = variants[name](await definitionOf(trained));
    const path = join(directory, 'variant.json');
    writeFileSync(path, JSON.stringify(definition));
    const loaded = await loadTokenizer(path);
    for (const text of [...TEXTS, 'e\u0301<|endoftext|> x'])
      expect([...loaded.encode(text)]).toEqual(libraryIds(definition, text));
  });

  it('takes the end of text from tokenizer_config.json', async () => {
    const path = join(directory, 'settings');
    await trained.save(path);
    writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify({ eos_token: { content: 'e' } }));
    const { endOfTextId } = await loadTokenizer(path);
    expect(endOfTextId).toBe(101);
  });

  it('knows the token that begins a document: as settings say, else by name, else the one that ends them', async () => {
    expect(trained.beginOfTextId).toBe(trained.endOfTextId);
    const path = join(directory, 'beginnings');
    await trained.save(path);
    writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify({ bos_token: { content: 'e' } }));
    expect((await loadTokenizer(path)).beginOfTextId).toBe(101);
    const definition = await definitionOf(trained);
    const added = definition.added_tokens as { id: number; content: string }[];
    const begin = { ...added[0], id: 600, content: '<s>' };
    writeFileSync(join(path, 'tokenizer.json'), JSON.stringify({ ...definition, added_tokens: [...added, begin] }));
    writeFileSync(join(path, 'tokenizer_config.json'), '{}');
    const { beginOfTextId, endOfTextId } = await loadTokenizer(path);
    expect([beginOfTextId, endOfTextId]).toEqual([600, 599]);
  });

  it('is rejected with its path when it is missing, not JSON, or no tokenizer', async () => {
    const path = join(directory, 'bad.json');
    await expect(loadTokenizer(join(directory, 'none.json'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const contents of ['{"model":', '{"a":1}', 'null', '[]']) {
      writeFileSync(path, contents);
      await expect(loadTokenizer(path)).rejects.toMatchObject({
        code: 'INVALID_FILE',
        message: expect.stringContaining(path),
      });
    }
  });
});
