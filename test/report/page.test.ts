import { describe, expect, test } from 'vitest';
import type { ReportData } from '../../lib/report/data.ts';
import { renderReport } from '../../lib/report/page.ts';
import { escapeHtml, excerpt, formatSeconds, maskAddresses } from '../../lib/report/text.ts';

const HOSTILE =
  '<script>alert("x")</script><img src="http://evil.example/a.png" onerror=alert(1)> write to jane.doe@mail.example.org';

function data(text: string): ReportData {
  const plans = ['random', 'delt'];
  return {
    name: `run ${text}`,
    headline: `headline ${text}`,
    remarks: [text],
    plans: plans.map((name) => ({ name, description: text })),
    seeds: [0, 1],
    domains: ['a', 'mean of domains'].map((domain) => ({
      domain,
      target: domain === 'a',
      rows: 8,
      plans: plans.map((plan, i) => ({
        plan,
        mean: 5,
        sd: 0.1,
        difference: i === 0 ? null : { mean: -0.2, sd: 0.05, perSeed: [-0.15, -0.25], clear: true },
      })),
    })),
    curves: {
      kind: 'training',
      points: plans.flatMap((plan) => [1, 2, 3].map((step) => ({ plan, seed: 0, step, loss: 6 - step }))),
    },
    scores: [{ domain: 'a', values: [-1, 0, 0.5, 1] }],
    best: [{ id: text, domain: text, label: text, score: 1, text }],
    worst: [{ id: text, domain: text, label: null, score: -1, text }],
    positions: plans.flatMap((plan) => [0, 1, 2].map((position) => ({ plan, position, score: position / 2 }))),
    cost: [{ stage: text, seconds: 1 }],
    scoring: { seconds: 1, share: 0.5, poolRows: 4, proxyRows: 2, poolVisits: 1, proxyVisits: 5, spearman: 0.5 },
    quality: { positive: 'ham', negative: 'spam', positives: 2, negatives: 2, scores: [{ name: 'LQS', auc: 0.75 }] },
    recipe: text,
    environment: [{ name: 'backend', value: text }],
    command: text,
    created: '2025-01-01',
  };
}

describe('renderReport', () => {
  test('loads nothing from anywhere and runs no script', async () => {
    const html = await renderReport(data('plain'));
    expect(html).not.toMatch(/https?:/i);
    expect(html).not.toMatch(/<(script|link|img|iframe|object|embed)\b/i);
    expect(html).not.toMatch(/@import|url\(|\b(src|href)=/i);
    expect(html).toContain("default-src 'none'");
  });

  test('draws the four charts inline', async () => {
    const html = await renderReport(data('plain'));
    expect(html.match(/<svg /g)).toHaveLength(4);
    expect(html).not.toMatch(/<svg [^>]*\bwidth="\d/); // a fixed width would not fit a phone
    expect(html).not.toContain('NaN');
  });

  test('escapes every text and masks e-mail addresses of documents', async () => {
    const html = await renderReport(data(HOSTILE));
    expect(html).not.toMatch(/<(script|img)\b/i);
    expect(html).toContain('&lt;script&gt;');
    const documents = [...html.matchAll(/<pre class="text">(.*?)<\/pre>/gs)].map(([, text]) => text);
    expect(documents).toHaveLength(2);
    for (const text of documents) {
      expect(text).toContain('write to [address]');
      expect(text).not.toContain('jane.doe');
    }
  });

  test('shows the differences with sign and spread', async () => {
    expect(await renderReport(data('plain'))).toContain('−0.200 ± 0.050');
  });
});

test('escapeHtml leaves nothing that ends an attribute or opens a tag', () => {
  expect(escapeHtml(`<a b="c" d='e'>&`)).toBe('&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;');
});

test('maskAddresses masks addresses, not other uses of @', () => {
  expect(maskAddresses('from a.b+c@x-y.co.uk, at 5 @ 3')).toBe('from [address], at 5 @ 3');
});

test('excerpt collapses white space and cuts', () => {
  expect(excerpt('a  b\n\n\n c', 100)).toBe('a b\nc');
  expect(excerpt('abcdef', 3)).toBe('abc …');
});

test.each([
  [1.23, '1.2 s'],
  [59.4, '59 s'],
  [245, '4 min 05 s'],
  [7380, '2 h 03 min'],
])('formatSeconds(%d) is %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
