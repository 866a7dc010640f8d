import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import type { LlamaConfig } from '../../lib/model/config.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { SafetensorsFile, writeSafetensors, type TensorSource } from '../../lib/model/safetensors.ts';
import { Fixture, type TensorRecord } from '../support/fixtures.ts';
import { TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
const directory = useTemporaryDirectory();
const llama = new Fixture('llama').modelDirectory;

function load(path: string): Promise<LanguageModel> {
  return LanguageModel.fromPretrained(path, { backend });
}

async function readAll(path: string): Promise<TensorRecord> {
  const file = await SafetensorsFile.open(path);
  const record: TensorRecord = {};
  for (const name of file.tensors.keys()) record[name] = await file.read(name);
  await file.close();
  return record;
}

/** The llama fixture in a directory of the test's own, with changed weights. */
async function writeChanged(change: (tensors: Map<string, TensorSource>) => void): Promise<string> {
  const path = join(directory(), 'changed');
  await cp(llama, path, { recursive: true });
  const file = await SafetensorsFile.open(join(llama, 'model.safetensors'));
  const tensors = new Map<string, TensorSource>();
  for (const { name, shape } of file.tensors.values()) {
    const values = await file.read(name);
    tensors.set(name, {
      name,
      shape,
      dtype: 'F32',
      read: (offset, length) => values.subarray(offset, offset + length),
    });
  }
  await file.close();
  change(tensors);
  await rm(join(path, 'model.safetensors'));
  await writeSafetensors(join(path, 'model.safetensors'), [...tensors.values()]);
  return path;
}

function zeros(name: string, shape: number[]): TensorSource {
  return { name, shape, dtype: 'F32', read: (_, length) => new Float32Array(length) };
}

describe('savePretrained and fromPretrained', () => {
  it('keep every bit of the weights', async () => {
    const saved = join(directory(), 'a', 'model');
    await (await load(llama)).savePretrained(saved);
    expect(await readdir(saved)).toEqual(['config.json', 'model.safetensors']);
    expect(await readAll(join(saved, 'model.safetensors'))).toEqual(await readAll(join(llama, 'model.safetensors')));
    const again = await load(saved);
    expect(again.parameters.toRecord()).toEqual((await load(llama)).parameters.toRecord());
    expect(await readdir(join(directory(), 'a'))).toEqual(['model']);
  });

  it('write several files with an index above the limit, and read them', async () => {
    const model = await load(llama);
    const saved = join(directory(), 'sharded');
    await model.savePretrained(saved, { maxShardBytes: 20_000 });
    const names = await readdir(saved);
    const shards = names.filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name));
    expect(shards.length).toBeGreaterThan(2);
    expect(names.sort()).toEqual(['config.json', ...shards, 'model.safetensors.index.json'].sort());
    const index = JSON.parse(await readFile(join(saved, 'model.safetensors.index.json'), 'utf8'));
    expect(index.metadata.total_size).toBe(4 * model.parameterCount);
    expect(Object.keys(index.weight_map)).toHaveLength(21);
    expect((await load(saved)).parameters.toRecord()).toEqual(model.parameters.toRecord());
  });

  it('replace the weights of an existing directory and leave its other files', async () => {
    const saved = join(directory(), 'model');
    const model = await load(llama);
    await model.savePretrained(saved, { maxShardBytes: 20_000 });
    await writeFile(join(saved, 'tokenizer.json'), '{}');
    model.parameters.scale(2);
    await model.savePretrained(saved);
    const names = await readdir(saved);
    expect(names).toContain('tokenizer.json');
    expect(names).not.toContain('model.safetensors.index.json');
    expect((await load(saved)).parameters.toRecord()).toEqual(model.parameters.toRecord());
  });

  it.each<[string, Partial<LlamaConfig>, object]>([
    [
      'the default',
      { rope_theta: 500 },
      { rope_theta: 500, rope_scaling: null, rope_parameters: { rope_type: 'default', rope_theta: 500 } },
    ],
    [
      'linear scaling under its older name',
      { rope_scaling: { type: 'linear', factor: 2 } },
      {
        rope_theta: 10000,
        rope_scaling: { rope_type: 'linear', factor: 2 },
        rope_parameters: { rope_type: 'linear', rope_theta: 10000, factor: 2 },
      },
    ],
  ])('write rotary settings for old and new readers: %s', async (_, fields, expected) => {
    const model = await LanguageModel.initialize({ ...TINY, ...fields }, { backend, seed: 1 });
    const saved = join(directory(), 'model');
    await model.savePretrained(saved);
    const config = JSON.parse(await readFile(join(saved, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ ...expected, architectures: ['LlamaForCausalLM'], dtype: 'float32' });
    const batch = { batch: 1, time: 4, inputIds: Int32Array.of(1, 2, 3, 4), labels: Int32Array.of(1, 2, 3, 4) };
    expect(await (await load(saved)).loss(batch)).toEqual(await model.loss(batch));
  });

  it('leave nothing behind when the directory cannot be written', async () => {
    const parent = join(directory(), 'file');
    await writeFile(parent, '');
    const model = await load(llama);
    await expect(model.savePretrained(join(parent, 'model'))).rejects.toMatchObject({
      code: 'IO',
      message: /in the way/,
    });
    expect(await readdir(directory())).toEqual(['file']);
  });

  it('leave nothing behind when aborted', async () => {
    const model = await load(llama);
    const saving = model.savePretrained(join(directory(), 'model'), { signal: AbortSignal.abort('enough') });
    await expect(saving).rejects.toBe('enough');
    expect(await readdir(directory())).toEqual([]);
  });
});

describe('fromPretrained', () => {
  it('passes over rotary buffers, and over a tied output matrix', async () => {
    const old = await writeChanged((tensors) => {
      const name = 'model.layers.0.self_attn.rotary_emb.inv_freq';
      tensors.set(name, zeros(name, [4]));
    });
    expect((await load(old)).parameters.toRecord()).toEqual((await load(llama)).parameters.toRecord());
    const config = JSON.parse(await readFile(join(old, 'config.json'), 'utf8'));
    await writeFile(join(old, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: true }));
    expect(Object.keys((await load(old)).parameters.toRecord())).not.toContain('lm_head.weight');
  });

  it.each<[string, (tensors: Map<string, TensorSource>) => void, RegExp]>([
    ['a missing tensor', (t) => t.delete('model.norm.weight'), /tensor model\.norm\.weight: .*\[32\].*no such tensor/],
    ['an unknown tensor', (t) => t.set('extra', zeros('extra', [1])), /tensor extra: .*unknown/],
    [
      'a wrong shape',
      (t) => t.set('model.norm.weight', zeros('model.norm.weight', [31])),
      /tensor model\.norm\.weight: shape: expected \[32\], got "\[31\]"/,
    ],
  ])('names %s', async (_, change, message) => {
    const path = await writeChanged(change);
    await expect(load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message });
  });

  it('names a truncated file', async () => {
    const path = await writeChanged(() => undefined);
    await truncate(join(path, 'model.safetensors'), 5000);
    await expect(load(path)).rejects.toMatchObject({
      code: 'INVALID_FILE',
      message: /model\.safetensors: tensor .*truncated/,
    });
  });

  it('names what is missing in a directory', async () => {
    await expect(load(join(directory(), 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND', message: /config\.json/ });
    await cp(join(llama, 'config.json'), join(directory(), 'config.json'));
    await expect(load(directory())).rejects.toMatchObject({ code: 'NOT_FOUND', message: /found neither/ });
  });

  it.each([
    ['a file elsewhere', { 'a.weight': '../x.safetensors' }, /weight_map.*same directory/],
    ['no files', {}, /weight_map/],
  ])('refuses an index with %s', async (_, map, message) => {
    await cp(join(llama, 'config.json'), join(directory(), 'config.json'));
    await writeFile(join(directory(), 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    await expect(load(directory())).rejects.toMatchObject({ code: 'INVALID_FILE', message });
  });

  it('names a shard that is missing', async () => {
    const saved = join(directory(), 'sharded');
    await (await load(llama)).savePretrained(saved, { maxShardBytes: 20_000 });
    const shard = (await readdir(saved)).find((name) => name.startsWith('model-00002'))!;
    await rm(join(saved, shard));
    await expect(load(saved)).rejects.toMatchObject({ code: 'NOT_FOUND', message: new RegExp(shard) });
  });

  it.each([
    ['another architecture', { model_type: 'gpt_neox' }, /model_type.*gpt_neox/],
    ['biases', { attention_bias: true }, /attention_bias/],
  ])('refuses %s', async (_, fields, message) => {
    await mkdir(join(directory(), 'm'));
    const config = JSON.parse(await readFile(join(llama, 'config.json'), 'utf8'));
    await writeFile(join(directory(), 'm', 'config.json'), JSON.stringify({ ...config, ...fields }));
    await expect(load(join(directory(), 'm'))).rejects.toMatchObject({ code: 'UNSUPPORTED', message });
  });
});
