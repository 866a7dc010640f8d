import { describe, expect, test } from 'vitest';
import { gainOverSeeds } from '../../lib/evaluate/matched-loss.ts';
import type { ReportData } from '../../lib/report/data.ts';
import { renderReport } from '../../lib/report/page.ts';
import type { ExplanationData } from '../../lib/score/explain-data.ts';
import { escapeHtml, excerpt, formatSeconds, maskAddresses } from '../../lib/report/text.ts';

const HOSTILE =
  '<script>alert("x")</script><img src="http://evil.example/a.png" onerror=alert(1)> write to jane.doe@mail.example.org';

function data(text: string, others = ['delt']): ReportData {
  const plans = ['random', ...others];
  return {
    name: `run ${text}`,
    headline: `headline ${text}`,
    remarks: [text],
    plans: plans.map((name, i) => ({
      name,
      description: text,
      scoring: i === 0 ? null : 'lqs',
      selection: null,
      order: i === 0 ? 'shuffle' : `fold${i + 1}`,
      sameAs: null,
      purity: null,
    })),
    seeds: [0, 1],
    steps: 3,
    tokens: 96,
    domains: ['a', 'mean of domains'].map((domain) => ({
      domain,
      target: domain === 'a',
      rows: 8,
      plans: plans.map((plan, i) => ({
        plan,
        mean: 5,
        sd: 0.1,
        difference:
          i === 0
            ? null
            : {
                mean: -0.2,
                sd: 0.05,
                perSeed: [-0.15, -0.25],
                test: { margin: 0.45, t: 0.11, adjusted: 0.22, permutation: 0.5 },
                clear: false,
              },
      })),
    })),
    curves: {
      kind: 'validation',
      points: plans.flatMap((plan) =>
        [1, 2, 3].map((step) => ({ plan, seed: 0, measure: 'mean of domains', step, loss: 6 - step })),
      ),
    },
    reaches: [
      {
        measure: 'mean of domains',
        plans: plans.map((plan, i) =>
          i < 2
            ? { plan, perSeed: [2, 2], mean: 3 - i, sd: 0, speed: 3 / (3 - i) }
            : { plan, perSeed: [2, null], mean: null, sd: null, speed: null },
        ),
      },
    ],
    scorings: [
      {
        name: 'lqs',
        title: text,
        seconds: 2,
        flops: 3e12,
        trainings: 4,
        sharedWith: [],
        savings: [{ measure: 'mean of domains', plan: 'delt', share: 1 / 3, paysAfter: 12 }],
        poolRows: 4,
        proxyRows: 2,
        spearman: { value: 0.5, standardError: null },
        histograms: [{ domain: 'a', low: -1, width: 1, shares: [0.5, 0.5] }],
        best: [{ id: text, domain: text, label: text, score: 1, text }],
        worst: [{ id: text, domain: text, label: null, score: -1, text }],
      },
    ],
    agreement: [{ a: text, b: 'lqs', spearman: { value: 0.25, standardError: 0.125 } }],
    positions: plans.slice(1).flatMap((plan) => [0, 1, 2].map((position) => ({ plan, position, rank: position / 2 }))),
    cost: [{ stage: text, seconds: 1 }],
    quality: {
      column: text,
      positive: 'ham',
      positives: 2,
      negatives: 2,
      groupColumn: text,
      scores: [
        {
          name: 'lqs',
          auc: { value: 0.75, standardError: 0.0625 },
          byGroup: { [text]: { value: 0.8, standardError: null } },
        },
      ],
      purity: [
        { name: 'all of the pool', judged: 4, share: { value: 0.5, standardError: 0.25 } },
        { name: text, judged: 2, share: { value: 1, standardError: 0 } },
      ],
    },
    recipe: text,
    environment: [{ name: 'backend', value: text }],
    command: text,
    created: '2025-01-01',
  };
}

function explanation(text: string): ExplanationData {
  const documents = [{ id: text, domain: text, label: text, score: 1, text }];
  const none = { pearson: null, spearman: null, ols: null, olsError: null, lasso: null, leftOut: null };
  return {
    rows: 4,
    documents: 4,
    features: [
      {
        ...none,
        name: 'words',
        definition: text,
        mean: 3,
        standardDeviation: 1,
        pearson: 0.4,
        spearman: 0.5,
        ols: 0.5,
      },
    ],
    ols: { r2: 0.25, adjustedR2: null, features: 1 },
    lasso: null,
    lassoFeatures: [],
    lassoR2: null,
    domainR2: 0,
    domains: [{ domain: text, rows: 4, mean: 0, standardDeviation: 1, quartiles: [-1, 0, 1] }],
    histograms: [{ domain: text, low: -1, width: 1, shares: [0.5, 0.5] }],
    kept: [{ rho: 0.5, rows: 2, domains: { [text]: 0.5 } }],
    best: documents,
    worst: documents,
    notes: [text],
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

  test('draws its charts inline', async () => {
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

  test('estimates from rows have their standard error, where there is one', async () => {
    const html = await renderReport(data('plain'));
    for (const number of ['0.750 ± 0.063', '>0.800<', '50.0 ± 25.0 %', '0.250 ± 0.125', '<strong>0.50</strong>']) {
      expect(html).toContain(number);
    }
  });

  test('says how many rows of each plan are clean, where noise was planted', async () => {
    expect(await renderReport(data('plain'))).not.toContain('clean rows');
    const noisy = data('plain');
    noisy.plans.forEach((plan, i) => (plan.purity = [0.7, 0.875][i]));
    const html = await renderReport(noisy);
    expect(html).toContain('<th>clean rows</th>');
    for (const share of ['70.0 %', '87.5 %']) expect(html).toContain(`<td>${share}</td>`);
  });

  test('shows tests, steps to the baseline and what scoring cost against what it saved', async () => {
    const html = await renderReport(data('plain'));
    for (const number of ['0.1100', '0.2200', '0.5000', '−0.650 … +0.250']) expect(html).toContain(number);
    expect(html).toContain('2 ± 0<small>1.50 × as fast');
    expect(html).toContain('after 12 trainings<small>delt saves 33 % of the steps');
  });

  test('shows what plans save and cost with every seed, whichever way it falls', async () => {
    const curve = (...losses: number[]) => losses.map((loss, i) => ({ step: i + 1, loss }));
    const costs = { stepFlops: 100, baselineSteps: 3, pool: 12, kept: 0.5, scoringFlops: 5, metaFlops: 600 };
    const gain = gainOverSeeds(costs, [curve(8, 6, 4), curve(8, 6, 4)], [curve(6, 4, 2), curve(9, 7, 5)]);
    const html = await renderReport({
      ...data('plain'),
      gains: [{ measure: 'mean of domains', plans: [{ plan: 'delt', scoring: 'lqs', gain }] }],
    });
    // Saved 33.3 and −16.7, scoring 20, of it half for dropped rows, and two trainings for the scorer.
    const cells = ['+8.3 ± 35.4', '−20.0<small>dropped rows −10.0</small>', '−11.7 ± 35.4', '−200.0'];
    const net = ['−211.7 ± 35.4<small>−186.7, −236.7*</small>', 'never'];
    const row = ['delt', ...cells, ...net].map((cell) => `<td>${cell}</td>`).join('');
    expect(html).toContain(`<tr>${row}</tr>`);
    expect(html).toContain('* With this seed that loss is not reached');
    expect(await renderReport(data('plain'))).not.toContain('Net gain');
  });

  test('holds explanations as further pages with links, and escapes them', async () => {
    const html = await renderReport({
      ...data('plain'),
      explanations: [{ name: HOSTILE, file: 'explain.html', explanation: explanation(HOSTILE) }],
    });
    expect(html.match(/href="[^"]*"/g)).toEqual([expect.stringMatching(/^href="#explain-&lt;script/), 'href="#top"']);
    expect(html).not.toMatch(/<(script|img)\b/i);
    expect(html).not.toMatch(/NaN|undefined/);
    const [article] = /<article .*<\/article>/s.exec(html)!;
    expect(article).toContain('1 text heuristics explain 25.0 % of the variance');
    expect(article.match(/<svg /g)).toHaveLength(3);
    expect(article).not.toContain('jane.doe@mail.example.org</pre>');
  });

  test('a grid has one row a plan, radio buttons for its scorings, and still no script', async () => {
    const names = Array.from({ length: 15 }, (_, i) => `plan${i}`);
    const grid = data('plain', names);
    grid.plans.slice(1).forEach((plan, i) => (plan.scoring = ['lqs', 'pds', 'perplexity'][i % 3]));
    const html = await renderReport(grid);
    for (const name of names) expect(html).toContain(`</span>${name}</td>`);
    expect(html.match(/type="radio"/g)).toHaveLength(4);
    expect(html).toContain('tr[data-scoring]:not([data-scoring="pds"])');
    expect(html).not.toMatch(/<script\b/i);
    expect(html).not.toContain('NaN');
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
