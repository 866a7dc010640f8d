import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { collate } from '../../lib/data/batch.ts';
import { transformerShape } from '../../lib/model/architectures/index.ts';
import type { BertConfig, Gpt2Config, ModelConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { writeSafetensors, type TensorSource } from '../../lib/model/safetensors.ts';
import { norm } from '../support/fixtures.ts';
import { ARCHITECTURES, TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
const directory = useTemporaryDirectory();
const GPT2 = ARCHITECTURES.gpt2 as Gpt2Config;
const BERT = ARCHITECTURES.bert as BertConfig;
const batch = collate([{ inputIds: [1, 2, 3, 4] }, { inputIds: [5, 6] }]);

/** A saved model whose tensors are renamed, left out (null), or joined by others of the given shapes. */
async function saveChanged(
  config: ModelConfig,
  change: (name: string) => string | null,
  extra: Record<string, number[]> = {},
): Promise<LanguageModel> {
  const model = await LanguageModel.initialize(config, { backend, seed: 1 });
  await model.savePretrained(directory());
  const tensors: TensorSource[] = model.parameters.tensorSources().flatMap((tensor) => {
    const name = change(tensor.name);
    return name === null ? [] : [{ ...tensor, name, dtype: 'F32' as const }];
  });
  for (const [name, shape] of Object.entries(extra)) {
    tensors.push({ name, shape, dtype: 'F32', read: (_, length) => new Float32Array(length).fill(7) });
  }
  await writeSafetensors(join(directory(), 'model.safetensors'), tensors);
  return model;
}

async function expectSame(model: LanguageModel): Promise<void> {
  const again = await LanguageModel.fromPretrained(directory(), { backend });
  expect(again.parameters.toRecord()).toEqual(model.parameters.toRecord());
}

describe('transformerShape', () => {
  it('has the defaults of transformers', () => {
    expect(transformerShape({ model_type: 'gpt2' } as Gpt2Config)).toMatchObject({
      vocabSize: 50257,
      hiddenSize: 768,
      intermediateSize: 3072,
      layers: 12,
      heads: 12,
      kvHeads: 12,
      headDim: 64,
      normEps: 1e-5,
      activation: 'gelu_new',
      learnedPositions: 1024,
      tiedEmbeddings: true,
      inputMajor: true,
      causal: true,
    });
    expect(transformerShape({ model_type: 'bert' } as BertConfig)).toMatchObject({
      vocabSize: 30522,
      hiddenSize: 768,
      intermediateSize: 3072,
      normEps: 1e-12,
      normPlacement: 'post',
      activation: 'gelu',
      learnedPositions: 512,
      tokenTypes: 2,
      objective: 'masked-token',
      causal: false,
      tiedEmbeddings: true,
    });
  });

  it('takes the general names of GPT-2’s fields, but not two values', () => {
    const general = { model_type: 'gpt2', vocab_size: 5, hidden_size: 12, num_attention_heads: 2 } as const;
    expect(transformerShape(general)).toMatchObject({ hiddenSize: 12, intermediateSize: 48, headDim: 6 });
    expect(() => transformerShape({ ...general, n_embd: 14 })).toThrow(/hidden_size: expected n_embd \(14\).*got 12/);
  });

  it.each<[ModelConfig, object, RegExp]>([
    [GPT2, { scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx: only false/],
    [GPT2, { scale_attn_weights: false }, /scale_attn_weights: only true/],
    [GPT2, { activation_function: 'relu' }, /activation_function: only "gelu_new", .* are supported, got "relu"/],
    [BERT, { position_embedding_type: 'relative_key' }, /position_embedding_type: only "absolute"/],
    [BERT, { is_decoder: true }, /is_decoder/],
    [BERT, { hidden_act: 'silu' }, /hidden_act/],
  ])('refuses what it does not do: %#', (config, fields, message) => {
    expect(() => transformerShape({ ...config, ...fields })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringMatching(message) as string }),
    );
  });

  it('passes over dropout, which is never applied', () => {
    const config = ARCHITECTURES.llama;
    expect(transformerShape({ ...config, attention_dropout: 0.1 })).toEqual(transformerShape(config));
  });

  it('names a width that does not divide into heads', () => {
    expect(() => transformerShape({ ...GPT2, n_head: 5 })).toThrow(/n_embd \/ n_head: expected an integer.*got 2\.4/);
    const llama = {
      model_type: 'llama',
      vocab_size: 5,
      hidden_size: 12,
      intermediate_size: 8,
      num_hidden_layers: 1,
    } as const;
    const shapeOf = (fields: object) => transformerShape({ ...llama, ...fields } as ModelConfig);
    const divided = /^hidden_size \/ num_attention_heads: expected an /;
    expect(() => shapeOf({ num_attention_heads: 5 })).toThrow(
      /^hidden_size \/ num_attention_heads: .*integer.*got 2\.4/,
    );
    expect(() => shapeOf({ num_attention_heads: 4 })).toThrow(divided); // 3, which is odd
    expect(() => shapeOf({ num_attention_heads: 5, head_dim: 3 })).toThrow(/^head_dim: expected an even number.*got 3/);
    expect(shapeOf({ num_attention_heads: 5, head_dim: 4 }).headDim).toBe(4);
  });
});

describe('initialize', () => {
  const draw = async (config: ModelConfig) =>
    (await LanguageModel.initialize(config, { backend, seed: 2 })).parameters.toRecord();
  const deviation = (x: ArrayLike<number>) => norm(x) / Math.sqrt(x.length);

  it('shrinks GPT-2’s projections onto the residual stream with depth', async () => {
    const record = await draw({ ...GPT2, n_embd: 60, n_layer: 8, initializer_range: 0.1 });
    expect(deviation(record['transformer.h.7.mlp.c_fc.weight'])).toBeCloseTo(0.1, 1);
    for (const name of ['attn', 'mlp']) {
      const scaled = deviation(record[`transformer.h.0.${name}.c_proj.weight`]);
      expect(Math.abs(scaled / (0.1 / 4) - 1)).toBeLessThan(0.1);
    }
    expect([...record['transformer.ln_f.weight']]).toEqual(new Array(60).fill(1));
    expect(norm(record['transformer.h.3.attn.c_attn.bias'])).toBe(0);
  });

  it('leaves the padding token’s embedding at zero, as transformers does', async () => {
    const row = (record: Record<string, ArrayLike<number>>, name: string, id: number, width: number) =>
      norm(Array.from(record[name]).slice(id * width, (id + 1) * width));
    const bert = await draw(BERT);
    expect(row(bert, 'bert.embeddings.word_embeddings.weight', 0, 12)).toBe(0);
    expect(row(bert, 'bert.embeddings.word_embeddings.weight', 1, 12)).toBeGreaterThan(0);
    const llama = await draw({ ...TINY, pad_token_id: -1 });
    expect(row(llama, 'model.embed_tokens.weight', 10, 8)).toBe(0);
    const none = await draw({ ...BERT, pad_token_id: null });
    expect(row(none, 'bert.embeddings.word_embeddings.weight', 0, 12)).toBeGreaterThan(0);
  });
});

describe('fromPretrained', () => {
  it('reads GPT-2 as the hub has it: no prefix, with masks, and the tied matrix', async () => {
    const strip = (name: string) => name.replace('transformer.', '');
    const extra = { 'h.0.attn.bias': [1, 1, 3, 3], 'h.1.attn.masked_bias': [1], 'lm_head.weight': [27, 12] };
    await expectSame(await saveChanged(GPT2, strip, extra));
  });

  it('reads BERT as the hub has it: old norm names, pooler, next-sentence head, and copies', async () => {
    const old = (name: string) =>
      name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
    const extra = {
      'bert.pooler.dense.weight': [12, 12],
      'bert.pooler.dense.bias': [12],
      'cls.seq_relationship.weight': [2, 12],
      'cls.seq_relationship.bias': [2],
      'cls.predictions.decoder.weight': [31, 12],
      'cls.predictions.decoder.bias': [31],
      'bert.embeddings.position_ids': [1, 300],
    };
    await expectSame(await saveChanged(BERT, old, extra));
  });

  it('reads the output matrix where it is not tied', async () => {
    await expectSame(await saveChanged({ ...GPT2, tie_word_embeddings: false }, (name) => name));
    const untied = await saveChanged({ ...BERT, tie_word_embeddings: false }, (name) => name, {
      'cls.predictions.bias': [31],
    });
    expect(Object.keys(untied.parameters.toRecord())).toContain('cls.predictions.decoder.bias');
    await expectSame(untied);
  });

  it('needs the head of a language model', async () => {
    await saveChanged(BERT, (name) => (name.startsWith('cls.') ? null : name));
    await expect(LanguageModel.fromPretrained(directory(), { backend })).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: /tensor cls\.predictions\.transform\.dense\.weight: .*no such tensor/,
    });
  });
});

describe('savePretrained', () => {
  it.each<[ModelConfig, object]>([
    [
      { model_type: 'gpt2', vocab_size: 9, hidden_size: 4, n_layer: 1, n_head: 2, n_positions: 8 },
      {
        architectures: ['GPT2LMHeadModel'],
        n_embd: 4,
        n_inner: 16,
        activation_function: 'gelu_new',
        tie_word_embeddings: true,
      },
    ],
    [BERT, { architectures: ['BertForMaskedLM'], hidden_act: 'gelu', type_vocab_size: 2, layer_norm_eps: 1e-12 }],
  ])('spells out what versions of transformers may default otherwise: %#', async (config, expected) => {
    const model = await LanguageModel.initialize(config, { backend, seed: 1 });
    await model.savePretrained(directory());
    const written = JSON.parse(await readFile(join(directory(), 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(written).toMatchObject({ ...expected, dtype: 'float32' });
    if (config.model_type === 'gpt2') expect(written).not.toHaveProperty('hidden_size');
    const again = await LanguageModel.fromPretrained(directory(), { backend });
    expect(await again.loss(batch)).toEqual(await model.loss(batch));
  });
});

describe('a masked-token model', () => {
  it('predicts labels where they stand, the first position included', async () => {
    const model = await LanguageModel.initialize(BERT, { backend, seed: 1 });
    const at = async (labels: number[]) => (await model.loss(collate([{ inputIds: [4, 5, 6], labels }]))).mean;
    const [first, last, both] = [await at([7, -100, -100]), await at([-100, -100, 8]), await at([7, -100, 8])];
    expect(first).toBeGreaterThan(0);
    expect(both).toBeCloseTo((first + last) / 2, 12);
  });

  it('reads token types, 0 where there are none', async () => {
    const model = await LanguageModel.initialize(BERT, { backend, seed: 1 });
    const typed = async (tokenTypeIds?: number[]) =>
      (await model.loss(collate([{ inputIds: [4, 5], tokenTypeIds }]))).mean;
    expect(await typed([0, 0])).toBe(await typed());
    expect(await typed([0, 1])).not.toBe(await typed());
  });

  it('refuses more tokens than it has positions', async () => {
    const model = await LanguageModel.initialize({ ...BERT, max_position_embeddings: 3 }, { backend, seed: 1 });
    await expect(model.loss(batch)).rejects.toThrow(/at most 3 tokens, the model's max positions, got 4/);
  });
});
