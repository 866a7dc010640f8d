import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSamples, type Samples } from '../../lib/data/samples.ts';
import { loadTokenizer } from '../../lib/data/tokenizer.ts';
import { readPlan } from '../../lib/order/plan.ts';
import { gradfold } from '../support/cli.ts';
import { tinyDocuments } from '../support/tiny-run.ts';

let dir: string;
let samples: Samples;
const at = (name: string) => join(dir, name);

async function json(...argv: string[]): Promise<Record<string, never>> {
  const { status, stdout, stderr } = await gradfold([...argv, '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gradfold-mix-'));
  await writeFile(at('docs.jsonl'), tinyDocuments(60));
  await gradfold(['ingest', at('docs.jsonl'), '-o', at('corpus.arrow')]);
  const tokenize = ['tokenize', at('corpus.arrow'), '--vocabulary', '280', '--length', '16'];
  await gradfold([...tokenize, '-o', at('plain')]);
  await gradfold([...tokenize, '-o', at('masked'), '--mask']);
  samples = await openSamples(at('plain/samples.arrow'));
}, 60_000);
afterAll(() => rm(dir, { recursive: true }));

describe('mix plan', () => {
  const plan = async (weights: string, ...flags: string[]) => {
    const out = at('plan.arrow');
    await json('mix', 'plan', at('plain'), '--weights', weights, '--rows', '12', '-o', out, '--force', ...flags);
    const { rows, metadata } = await readPlan(out);
    const domains = Array.from(rows, (row) => samples.domain(row)[0]).join('');
    return { rows, domains, metadata };
  };

  it('draws by weights, by name, and from a file', async () => {
    const listed = await plan('garden=2,harbour=1');
    expect(listed.domains).toBe('ghgghgghgghg');
    expect(JSON.parse(listed.metadata['gradfold.mixture'])).toMatchObject({ weights: { garden: 2, harbour: 1 } });
    await writeFile(at('weights.json'), JSON.stringify({ domains: ['garden', 'harbour'], weights: [2, 1] }));
    expect((await plan(at('weights.json'))).rows).toEqual(listed.rows);
    await writeFile(at('weights.json'), JSON.stringify({ garden: 4, harbour: 2 }));
    expect((await plan(at('weights.json'))).rows).toEqual(listed.rows);
    expect((await plan('uniform')).domains).toBe('gh'.repeat(6));
    expect((await plan('garden=2,harbour=1', '--seed', '1')).rows).not.toEqual(listed.rows);
    expect((await plan('garden=1', '--limit', '5')).domains).toBe('ggggg');
  });

  it('says what is wrong with weights', async () => {
    const fail = async (weights: string) => {
      const argv = ['mix', 'plan', at('plain'), '--weights', weights, '--rows', '4', '-o', at('none.arrow')];
      const { status, stderr } = await gradfold(argv);
      expect(status).toBe(1);
      return stderr;
    };
    expect(await fail('garden')).toMatch(
      /weights: expected one of uniform, proportional, a path of \.json, garden=0\.5/,
    );
    expect(await fail('moon=1')).toMatch(/quotas\.moon: expected a domain with rows to draw.*garden, harbour/);
    expect(await fail('garden=-1')).toMatch(/weights\.garden: expected a finite number >= 0/);
    await writeFile(at('weights.json'), JSON.stringify({ weights: [1, 2] }));
    expect(await fail(at('weights.json'))).toMatch(/weights\.json: domains: expected 2 names/);
  });

  it('makes plans that train reads', async () => {
    await plan('uniform');
    await writeFile(at('llama.json'), config('llama', 280));
    const argv = ['train', at('plan.arrow'), '--samples', at('plain'), '--config', at('llama.json'), '-o', at('llama')];
    const { steps } = await json(...argv, '--batch', '4', '--backend', 'reference');
    expect(steps).toBe(3);
  });
});

describe('a model of masked tokens', () => {
  it('is trained and evaluated with the mask of its tokenizer', async () => {
    const { maskId, specialIds, vocabularySize } = await loadTokenizer(at('masked'));
    expect(maskId).toBe(vocabularySize - 1);
    expect(specialIds).toEqual([vocabularySize - 2, vocabularySize - 1]);
    await writeFile(at('bert.json'), config('bert', vocabularySize));
    const flags = ['--batch', '4', '--backend', 'reference'];
    const train = ['train', '--samples', at('masked'), '--config', at('bert.json'), '-o', at('bert'), '--steps', '6'];
    expect((await json(...train, ...flags)).steps).toBe(6);
    const evaluate = ['evaluate', at('masked'), '--model', join(at('bert'), 'model'), ...flags];
    const report = await json(...evaluate);
    expect(report).toEqual(await json(...evaluate));
    const { overall } = report as unknown as { overall: { tokens: number; loss: number } };
    const rows = (await openSamples(at('masked/samples.arrow'))).rows('validation').length;
    expect(overall.tokens).toBeGreaterThanOrEqual(rows); // at least one a row
    expect(overall.tokens).toBeLessThan(16 * rows);
    expect(Number.isFinite(overall.loss)).toBe(true);
  }, 60_000);

  it('is refused samples whose tokenizer has no mask', async () => {
    await writeFile(at('small.json'), config('bert', 280));
    const argv = ['train', '--samples', at('plain'), '--config', at('small.json'), '-o', at('none')];
    const { status, stderr } = await gradfold([...argv, '--backend', 'reference']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/mask token: expected one, which bert needs, got "none"; .*tokenize --mask/);
  });
});

function config(type: 'bert' | 'llama', vocabulary: number): string {
  return JSON.stringify({
    model_type: type,
    vocab_size: vocabulary,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 16,
  });
}
