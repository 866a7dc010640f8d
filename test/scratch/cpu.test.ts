import { test } from 'vitest';
import { openBackend } from '../../lib/backend/open.ts';
import { LanguageModel } from '../../lib/model/language-model.ts';
import { Fixture, toBatch, largestRelativeError, relativeError } from '../support/fixtures.ts';
for (const name of ['llama', 'mistral', 'packed'])
test(name, async () => {
  const backend = await openBackend('cpu', { threads: 2 });
  const f = new Fixture(name);
  const m = await LanguageModel.fromPretrained(f.modelDirectory, { backend });
  const batch = toBatch(await f.json<any>('batch'));
  const e = await f.json<any>('expected');
  const l = await m.loss(batch);
  console.log(name, 'loss', relativeError(l.perSample, e.losses));
  const g = await m.gradient(batch);
  const gm = await f.tensors('expected', 'grad_mean');
  console.log('grad', largestRelativeError(g.gradient.toRecord(), gm));
  const v0 = m.vector(await f.tensors('vectors', 'v0') as any);
  const v1 = m.vector(await f.tensors('vectors', 'v1') as any);
  const p = await m.perSample(batch, { norms: true, dots: [v0, v1], gram: true, gradients: true, weights: Array(batch.batch).fill(1 / batch.batch) });
  console.log('norms', relativeError(p.norms!, e.grad_norms), 'dots', relativeError(p.dots![0], e.dots_v0), relativeError(p.dots![1], e.dots_v1), 'gram', relativeError(p.gram!, e.gram.flat()), 'grad', largestRelativeError(p.gradient!.toRecord(), gm));
  const p2 = await m.perSample(batch, { norms: true, dots: [v0, v1], weights: Array(batch.batch).fill(1 / batch.batch) });
  console.log('norms', relativeError(p2.norms!, e.grad_norms), 'dots', relativeError(p2.dots![0], e.dots_v0), relativeError(p2.dots![1], e.dots_v1), 'grad', largestRelativeError(p2.gradient!.toRecord(), gm));
  if (e.v0_hvp_v0 !== undefined) {
  const b = await f.json<any>('batch');
  const h = await m.hvp(batch, v0, { weights: b.sample_weights });
  console.log('jvp', relativeError(h.jvp, e.jvp_v0), 'hvp', largestRelativeError(h.hvp.toRecord(), await f.tensors('expected', 'hvp_v0')));
  }
  backend.dispose();
});
