import { readFile } from 'node:fs/promises';
import { collate, createOptimizer, foldOrder, LanguageModel, openBackend } from 'gradfold';

const bytes = await readFile('README.md'); // a token is a byte, a row 64 of them
const rows = Array.from({ length: 64 }, (_, i) => ({ inputIds: bytes.subarray(64 * i, 64 * (i + 1)) }));
const target = collate(rows.splice(0, 8)); // what training should help with
const size = { hidden_size: 64, intermediate_size: 176, num_hidden_layers: 2, num_attention_heads: 4 };
const backend = await openBackend();
const model = await LanguageModel.initialize({ model_type: 'llama', vocab_size: 256, ...size }, { backend, seed: 0 });
const optimizer = createOptimizer(model, { kind: 'adamw', lr: 3e-3 });
const { gradient: wanted } = await model.gradient(target);
const { norms, dots } = await model.perSample(collate(rows), { norms: true, dots: [wanted] });
const order = foldOrder(dots[0].map((dot, i) => dot / norms[i])); // least agreeing gradients first, three times over
for (let at = 0; at < order.length; at += 8) {
  const batch = collate(Array.from(order.subarray(at, at + 8), (row) => rows[row]));
  await optimizer.step((await model.gradient(batch)).gradient);
  console.log(`target loss after ${at + 8} rows: ${(await model.loss(target)).mean.toFixed(3)}`);
}
backend.dispose();
