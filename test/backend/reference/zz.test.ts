import { it } from 'vitest';
import { batchOf, meanWeights, openModel, pseudoNormals } from './support.ts';
it('time', async () => {
  for (const T of [64, 257]) {
  const o = openModel({ model_type: 'llama', vocab_size: 97, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 });
  const b = batchOf(Array.from({ length: 8 }, (_, i) => Array.from({ length: T }, (_, t) => (i * 7 + t * t) % 97)));
  const v = o.model.zeros(); v.write(0, pseudoNormals(v.length, 1));
  for (let k = 0; k < 4; k++) {
    let t0 = (process.cpuUsage().user/1000); await o.model.loss(b); const l = (process.cpuUsage().user/1000) - t0;
    t0 = (process.cpuUsage().user/1000); await o.model.backward(b, { weights: meanWeights(8), into: o.model.zeros(), norms: true }); const g = (process.cpuUsage().user/1000) - t0;
    t0 = (process.cpuUsage().user/1000); await o.model.hvp(b, v, meanWeights(8), o.model.zeros()); const h = (process.cpuUsage().user/1000) - t0;
    console.log("ZZ", T, v.length, l, g, h, process.memoryUsage().rss / 1e6);
  }}
});
