import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const WORDS = {
  garden: 'the rose grows by the old wall and the rain falls on the green leaf while birds sing'.split(' '),
  harbour: 'a ship sails out of the harbour with salt and rope under a grey sky as gulls cry'.split(' '),
};

/** A small corpus of two domains as JSON lines, the second one labelled; deterministic. */
export function tinyDocuments(count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const domain = i % 2 === 0 ? 'garden' : 'harbour';
    const words = Array.from(
      { length: 30 },
      (_, k) => WORDS[domain][(i * 7 + k * (1 + (i % 5))) % WORDS[domain].length],
    );
    const label = domain === 'harbour' ? (i % 4 === 1 ? 'ham' : 'spam') : undefined;
    return `${JSON.stringify({ id: `${domain}-${i}`, text: words.join(' '), domain, label })}\n`;
  }).join('');
}

/** The same with the URL of a host for each domain and place. */
export function tinyUrlDocuments(count: number): string {
  return tinyDocuments(count)
    .trimEnd()
    .split('\n')
    .map((line, i) => {
      const document = JSON.parse(line) as { domain: string };
      return `${JSON.stringify({ ...document, url: `https://${document.domain}.example.org/${i}` })}\n`;
    })
    .join('');
}

const PLANS = `
plans:
  random: { order: shuffle }
  delt: { score: lqs, select: { topRatio: 0.5 }, order: fold }`;

const SCORINGS = `  pds: { <<: *sweep, contribution: pds }
  perplexity: { method: perplexity }
  scorer: { method: lqs, steps: 3, batch: 4, lr: 0.01, proxy: { rows: 12, interval: 3 }, scorer: { steps: 2, batch: 4, heldOut: 0.4 } }
  gradient: { method: gradient, metric: adam, alignment: cosine, batch: 8 }
  words: { method: text, feature: words, prefer: middle }
  both: { method: combine, of: { lqs: 1, gradient: -0.5 } }
`;

const GRID = `
grid:
  - score: [perplexity, pds, lqs]
    order: [shuffle, ascending, { order: fold, layers: 1 }, { order: fold, layers: 2 }]
  - score: [lqs]
    select: [{ topRatio: 0.5 }]
    order: [shuffle]
  - score: [scorer, gradient, words, both]
    select: [{ topK: 12, perDomain: true }]
    order: [{ order: jitter, window: 4 }]`;

/**
 * A whole pipeline of seconds on the reference backend; resolves to the recipe's path.
 * @param comparison a grid of scorings and orders instead of two plans
 */
export async function writeTinyRecipe(dir: string, { comparison = false } = {}): Promise<string> {
  await writeFile(join(dir, 'docs.jsonl'), tinyDocuments(80));
  const path = join(dir, comparison ? 'tiny-grid.yaml' : 'tiny.yaml');
  await writeFile(
    path,
    `
name: ${comparison ? 'tiny-grid' : 'tiny'}
backend: { name: reference }
corpus: { source: files, files: [docs.jsonl] }
tokenizer: { vocabulary: 280 }
samples: { length: 8, minTokens: 8, shares: { train: 0.5, proxy: 0.15, target: 0.15, validation: 0.2 } }
model: { model_type: llama, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 }
pretrain: { steps: 4, batch: 4, lr: 3.0e-3 }
target: { domain: garden, rows: 4 }
pool: { rows: 24 }
scores:
  lqs: &sweep
    method: lqs
    steps: 3
    batch: 4
    lr: 0.01
    interval: 3
    proxy: { rows: 6, interval: 1 }
${comparison ? SCORINGS : ''}quality: { positive: ham }
${comparison ? GRID : PLANS}
train: { seeds: [0, 1], steps: 3, batch: 4, lr: 3.0e-3 }
evaluate: { rowsPerDomain: 4, batch: 4, curve: { every: 2, rowsPerDomain: 2 } }
`,
  );
  return path;
}
