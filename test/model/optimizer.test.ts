import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openReferenceBackend } from '../../lib/backend/reference/backend.ts';
import { collate } from '../../lib/data/batch.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { createOptimizer, type OptimizerConfig } from '../../lib/model/optimizer.ts';
import { TINY } from '../support/models.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const backend = openReferenceBackend();
afterAll(() => backend.dispose());
const directory = useTemporaryDirectory();
const batch = collate([{ inputIds: [1, 2, 3] }, { inputIds: [4, 5] }]);
const ADAMW: OptimizerConfig = { kind: 'adamw', lr: 1e-2, weightDecay: 0.1, clipNorm: 0.5 };

function newModel(): Promise<LanguageModel> {
  return LanguageModel.initialize(TINY, { backend, seed: 5 });
}

async function train(
  model: LanguageModel,
  optimizer: ReturnType<typeof createOptimizer>,
  steps: number,
): Promise<void> {
  for (let i = 0; i < steps; i++) await optimizer.step((await model.gradient(batch)).gradient);
}

describe('createOptimizer', () => {
  it('moves along the gradient by lr, which can be set', async () => {
    const model = await newModel();
    const optimizer = createOptimizer(model, { kind: 'sgd', lr: 1 });
    optimizer.lr = 0.25;
    const expected = model.parameters.copy();
    const { gradient } = await model.gradient(batch);
    expected.axpy(-0.25, gradient);
    expect(await optimizer.step(gradient)).toEqual({ gradientNorm: gradient.norm() });
    expected.axpy(-1, model.parameters);
    expect(expected.norm()).toBeLessThan(1e-15);
    expect(optimizer.stepCount).toBe(1);
  });

  it.each<[string, OptimizerConfig]>([
    ['sgd', { kind: 'sgd', lr: 0.1 }],
    ['adamw', ADAMW],
  ])('resumes %s with the same bits', async (_, config) => {
    const whole = await newModel();
    await train(whole, createOptimizer(whole, config), 5);

    const first = await newModel();
    const before = createOptimizer(first, config);
    await train(first, before, 2);
    await before.save(join(directory(), 'optimizer.safetensors'));
    await first.parameters.save(join(directory(), 'parameters.safetensors'));
    before.dispose();

    const second = await newModel();
    const after = createOptimizer(second, { ...config, lr: 7 });
    await after.load(join(directory(), 'optimizer.safetensors'));
    await second.parameters.load(join(directory(), 'parameters.safetensors'));
    expect(after.stepCount).toBe(2);
    expect(after.lr).toBe(config.lr);
    await train(second, after, 3);
    expect(second.parameters.toRecord()).toEqual(whole.parameters.toRecord());
  });

  it.each<[string, OptimizerConfig]>([
    ['sgd', { kind: 'sgd', lr: 0.1 }],
    ['adamw', ADAMW],
  ])('leaves everything as it was when the gradient is not finite: %s', async (_, config) => {
    const model = await newModel();
    const optimizer = createOptimizer(model, config);
    const before = model.parameters.toRecord();
    const record = model.vector().toRecord();
    record['model.norm.weight'][3] = NaN;
    await expect(optimizer.step(model.vector(record))).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: /gradient: expected a finite norm, got NaN/,
    });
    expect(model.parameters.toRecord()).toEqual(before);
    expect(optimizer.stepCount).toBe(0);
    const twin = await newModel();
    await train(twin, createOptimizer(twin, config), 1);
    await train(model, optimizer, 1);
    expect(model.parameters.toRecord()).toEqual(twin.parameters.toRecord());
  });

  it('refuses a second step before the first is done', async () => {
    const model = await newModel();
    const optimizer = createOptimizer(model, ADAMW);
    const first = optimizer.step(model.vector());
    await expect(optimizer.step(model.vector())).rejects.toThrow(/awaited/);
    await first;
    expect(optimizer.stepCount).toBe(1);
  });

  it('names the state of another kind or model, and a file that is no state', async () => {
    const path = join(directory(), 'optimizer.safetensors');
    const model = await newModel();
    await createOptimizer(model, { kind: 'sgd', lr: 1 }).save(path);
    const adamw = createOptimizer(model, ADAMW);
    await expect(adamw.load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message: /adamw, got "sgd"/ });
    const larger = await LanguageModel.initialize({ ...TINY, num_hidden_layers: 2 }, { backend, seed: 1 });
    await createOptimizer(larger, ADAMW).save(path);
    await expect(adamw.load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message: /m\/model\.layers\.1/ });
    await model.parameters.save(path);
    await expect(adamw.load(path)).rejects.toMatchObject({ code: 'INVALID_FILE', message: /metadata optimizer/ });
  });

  it.each<[object, RegExp]>([
    [{ kind: 'rmsprop', lr: 1 }, /kind: expected "sgd" or "adamw", got "rmsprop"/],
    [{ kind: 'sgd' }, /lr: .*got undefined/],
    [{ kind: 'sgd', lr: 1, clipNorm: 0 }, /clipNorm/],
    [{ kind: 'adamw', lr: 1, betas: [0.9, 1] }, /betas\[1\]/],
    [{ kind: 'adamw', lr: 1, eps: 0 }, /eps/],
    [{ kind: 'adamw', lr: 1, weightDecay: -1 }, /weightDecay/],
  ])('names the setting that is wrong: %o', async (config, message) => {
    const model = await newModel();
    expect(() => createOptimizer(model, config as OptimizerConfig)).toThrow(message);
  });
});
