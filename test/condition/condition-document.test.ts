import { describe, expect, it } from 'vitest';
import { conditionDocument, type ConditionOptions } from '../../lib/condition/condition-document.ts';
import { trainTokenizer } from '../../lib/data/tokenizer.ts';

const TEXT = 'The ants walk along the path, one after the other.';
const tokenizer = trainTokenizer([TEXT, 'URL: en.wikipedia.org\n\n'], { vocabularySize: 300 });
const end = tokenizer.endOfTextId!;
const ids = { bosId: 1, eosId: 2 };

describe('conditionDocument', () => {
  it('puts begin token, prefix, metadata and suffix before the document and the end token after it', () => {
    const context = [...tokenizer.encode('URL: en.wikipedia.org\n\n')];
    const body = [...tokenizer.encode(TEXT)];
    const { inputIds, labels, contextLength } = conditionDocument(TEXT, 'en.wikipedia.org', { tokenizer });
    expect([...inputIds]).toEqual([end, ...context, ...body, end]);
    expect([...labels]).toEqual([-100, ...context.map(() => -100), ...body, end]);
    expect(contextLength).toBe(1 + context.length);
    expect(tokenizer.decode(inputIds)).toBe(`<|endoftext|>URL: en.wikipedia.org\n\n${TEXT}<|endoftext|>`);
  });

  it('leaves a document without metadata as it is, for the cooldown', () => {
    for (const nothing of [null, undefined, '']) {
      const { inputIds, labels } = conditionDocument(TEXT, nothing, { tokenizer });
      expect(tokenizer.decode(inputIds)).toBe(`<|endoftext|>${TEXT}<|endoftext|>`);
      expect([...labels]).toEqual([-100, ...inputIds.subarray(1)]);
    }
  });

  it('takes tokens in place of any text', () => {
    const result = (metadata: number[] | null, options: ConditionOptions) =>
      conditionDocument([7, 8, 9], metadata, { ...ids, ...options });
    expect([...result([4, 5], {}).inputIds]).toEqual([1, 4, 5, 7, 8, 9, 2]);
    expect([...result([4, 5], {}).labels]).toEqual([-100, -100, -100, 7, 8, 9, 2]);
    expect([...result([4, 5], { prefix: [3], suffix: Int32Array.of(6) }).inputIds]).toEqual([
      1, 3, 4, 5, 6, 7, 8, 9, 2,
    ]);
    expect([...result(null, {}).inputIds]).toEqual([1, 7, 8, 9, 2]);
    expect([...result([4], { bosId: null, eosId: null }).inputIds]).toEqual([4, 7, 8, 9]);
    const mixed = conditionDocument([7], 'm', { ...ids, tokenizer, prefix: [3], suffix: '!' });
    expect([...mixed.inputIds]).toEqual([1, 3, ...tokenizer.encode('m'), ...tokenizer.encode('!'), 7, 2]);
  });

  it('encodes prefix, metadata and suffix as one text', () => {
    const encoded: string[] = [];
    const listening = { encode: (text: string) => (encoded.push(text), Int32Array.of(5)) };
    conditionDocument([7], 'm', { ...ids, tokenizer: listening, prefix: '<', suffix: '>' });
    expect(encoded).toEqual(['<m>']);
  });

  it('trains on the metadata where it is told to', () => {
    const { inputIds, labels } = conditionDocument(TEXT, 'a.org', { tokenizer, trainOnMetadata: true });
    expect(labels).toEqual(inputIds);
  });

  it('applies a form of URL, and the policy for what has none', () => {
    const text = (metadata: string | null, options: ConditionOptions) =>
      tokenizer.decode(conditionDocument('x', metadata, { tokenizer, bosId: null, eosId: null, ...options }).inputIds);
    expect(text('https://a.b.org/c', { form: 'host' })).toBe('URL: a.b.org\n\nx');
    expect(text('https://a.b.org/c', { form: 'registrable-domain' })).toBe('URL: b.org\n\nx');
    expect(text('garbage', { form: 'host' })).toBe('x');
    expect(text('garbage', { form: 'host', missing: 'unknown' })).toBe('URL: unknown\n\nx');
    expect(text(null, { missing: 'unknown' })).toBe('URL: unknown\n\nx');
    expect(() => text('garbage', { form: 'host', missing: 'fail' })).toThrow(
      /metadata: expected a URL to take its host of/,
    );
    expect(() => text(null, { missing: 'fail' })).toThrow(/metadata: expected some/);
  });

  it('names hosts as a table says', () => {
    const text = (url: string, form: 'top-hosts' | 'hash', names?: Map<string, string>) =>
      tokenizer.decode(conditionDocument('x', url, { tokenizer, bosId: null, eosId: null, form, names }).inputIds);
    const names = new Map([['a.org', 'Name']]);
    expect(text('https://a.org/1', 'top-hosts', names)).toBe('URL: Name\n\nx');
    expect(text('https://b.org/1', 'top-hosts', names)).toBe('URL: unknown\n\nx');
    expect(text('https://a.org/1', 'hash', names)).toBe('URL: Name\n\nx');
    expect(text('https://b.org/1', 'hash', names)).toBe(text('https://b.org/2', 'hash'));
    expect(() => text('https://a.org/1', 'top-hosts')).toThrow(/options.names: expected a Map of hosts.*top-hosts/);
    expect(() => conditionDocument('x', 'a.org', { tokenizer, form: 'host', names })).toThrow(/options.names: .*none/);
    expect(() => conditionDocument('x', 'a.org', { tokenizer, fom: 'host' } as never)).toThrow(/options: .*got "fom"/);
  });

  it('names what it cannot do without', () => {
    expect(() => conditionDocument('text', null, ids)).toThrow(/document: expected tokens, .*options.tokenizer/);
    expect(() => conditionDocument([1], 'text', ids)).toThrow(/metadata: expected tokens/);
    expect(() => conditionDocument([1], null, {})).toThrow(/options.bosId: expected a token id, or null for none/);
    expect(() => conditionDocument([1], null, { bosId: 3 })).toThrow(/options.eosId/);
    expect(() => conditionDocument([1, -1], null, ids)).toThrow(/document\[1\]/);
    expect(() => conditionDocument([1], [0.5], ids)).toThrow(/metadata\[0\]/);
    expect(() => conditionDocument(7 as never, null, ids)).toThrow(/document: expected an array/);
  });
});
