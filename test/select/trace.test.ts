import { describe, expect, test } from 'vitest';
import { FlatSamples } from '../../lib/data/flat-samples.ts';
import type { OrderMethod } from '../../lib/order/methods.ts';
import { planOf } from '../../lib/order/plan.ts';
import type { ScoreColumn } from '../../lib/score/table.ts';
import { recordMetadata, recordOf, type PlanRecord } from '../../lib/select/plan-record.ts';
import type { Selection } from '../../lib/select/rule.ts';
import { selectPlaces } from '../../lib/select/selection.ts';
import { rowsOfDocument, traceRows, type PlanTrace, type TracedPlan } from '../../lib/select/trace.ts';
import { FILLS } from '../order/forms.ts';

const COUNT = 60;
/** Documents of one to three rows, in two domains; the last ten rows are for validation. */
const samples = new FlatSamples({
  length: 4,
  tokens: new Int32Array(4 * COUNT),
  offsets: Int32Array.from({ length: COUNT + 1 }, (_, row) => 4 * row),
  documents: Uint32Array.from({ length: COUNT }, (_, row) => Math.floor(row / 3)),
  domains: Int32Array.from({ length: COUNT }, (_, row) => Math.floor(row / 3) % 2),
  domainNames: ['even', 'odd'],
  splits: Uint8Array.from({ length: COUNT }, (_, row) => (row < 50 ? 0 : 3)),
});

/** Scores of the 50 rows of the training split, in no order. */
const rows = Uint32Array.from({ length: 50 }, (_, i) => (i * 7) % 50);
const values = new Float64Array(50);
FILLS.normal(values, 3);
const column: ScoreColumn = { file: 'runs/x/scores/pool.arrow', column: 'lqs', rows, values };

const BY = { column: 'lqs', file: 'scores/pool.arrow' };

function planBy(selection: Selection, order: OrderMethod = { method: 'fold' }, more: PlanRecord = {}): TracedPlan {
  const domains = Array.from(rows, (row) => samples.domain(row));
  const selected = selectPlaces(values, selection, { rows, seed: 4, domains });
  const plan = planOf(selected.places, values, order);
  const record: PlanRecord = { selection: selected.record, order, selectedBy: BY, ...more };
  // As it comes back from a file.
  const read = recordOf('plan.arrow', recordMetadata(record));
  return { name: 'plan', plan: { ...plan, rows: plan.rows.map((place) => rows[place]) }, record: read };
}

const trace = (traced: TracedPlan, scores = [column]): PlanTrace[] =>
  traceRows(samples.rows('train'), { samples, scores, plans: [traced] }).map(({ plans }) => plans[0]);

describe.each<[string, Selection]>([
  ['ratio', { topRatio: 0.4 }],
  ['low', { topK: 20, keep: 'low' }],
  ['middle', { topK: 20, keep: 'middle' }],
  ['per domain', { topK: 9, perDomain: true }],
  ['drawn', { topRatio: 0.4, temperature: 1 }],
  ['drawn, low, per domain', { topRatio: 0.4, keep: 'low', perDomain: true, temperature: 1 }],
  ['above', { above: 0.2 }],
  ['between', { above: -0.5, below: 0.5 }],
])('%s', (_, selection) => {
  const traced = planBy(selection);
  const traces = trace(traced);

  test('kept rows have their position and layer', () => {
    traced.plan.rows.forEach((row, position) => {
      const layer = traced.plan.layers[position];
      expect(traces[row]).toMatchObject({ positions: [position], layer, weight: 1, dropped: null });
    });
  });

  test('every other row missed the limit that is named', () => {
    const dropped = traces.filter(({ positions }) => positions.length === 0);
    expect(dropped).toHaveLength(50 - traced.plan.rows.length);
    for (const { dropped: why } of dropped) {
      const { reason, score = NaN, lowest, highest, explanation } = why!;
      expect(reason).toBe('score');
      if (lowest !== undefined) expect(score).toBeLessThanOrEqual(lowest);
      else expect(score).toBeGreaterThanOrEqual(highest!);
      expect(explanation).toContain(String(Number((lowest ?? highest)!.toPrecision(6))));
    }
  });
});

describe('scores', () => {
  test('rank, percentile and value; equal scores share the better rank', () => {
    const tied: ScoreColumn = {
      file: 'a',
      column: 'x',
      rows: Uint32Array.of(5, 6, 7, 8, 9),
      values: Float64Array.of(1, 3, 3, NaN, 0),
    };
    const of = (row: number) => traceRows([row], { samples, scores: [tied], plans: [] })[0].scores[0];
    expect(of(6)).toEqual({ file: 'a', column: 'x', value: 3, rank: 1, percentile: 75, of: 4 });
    expect(of(7)).toMatchObject({ rank: 1, percentile: 75 });
    expect(of(5)).toMatchObject({ value: 1, rank: 3, percentile: 37.5 });
    expect(of(9)).toMatchObject({ value: 0, rank: 4, percentile: 12.5 });
    for (const row of [8, 10]) expect(of(row)).toMatchObject({ value: null, rank: null, percentile: null, of: 4 });
  });

  test('rows of a document', () => {
    expect(rowsOfDocument(samples, 4)).toEqual([12, 13, 14]);
    expect(rowsOfDocument(samples, 99)).toEqual([]);
  });
});

describe('reasons', () => {
  const why = (row: number, traced: TracedPlan, scores = [column]) =>
    traceRows([row], { samples, scores, plans: [traced] })[0].plans[0].dropped;

  test('a row without a score, with its split', () => {
    expect(why(55, planBy({ topK: 5 }))).toMatchObject({
      reason: 'not scored',
      explanation: expect.stringContaining('split validation; not among the 50 scored rows') as string,
    });
  });

  test('equal scores at the cut: which of them stay', () => {
    const flat = { ...column, values: new Float64Array(50) };
    for (const [keep, words] of [
      ['high', 'later rows'],
      ['low', 'earlier rows'],
    ] as const) {
      const { places, record } = selectPlaces(flat.values, { topK: 25, keep }, { rows });
      const plan = planOf(
        places.map((place) => rows[place]),
        null,
        { method: 'shuffle', seed: 0 },
      );
      const traced = { name: 'flat', plan, record: { selection: record, selectedBy: BY } };
      const dropped = trace(traced, [flat]).filter(({ positions }) => positions.length === 0);
      expect(dropped).toHaveLength(25);
      for (const { dropped: reason } of dropped) {
        expect(reason).toMatchObject({ reason: 'tie', explanation: expect.stringContaining(words) as string });
      }
    }
  });

  test.each<Selection>([{ topK: 20 }, { topK: 20, keep: 'low' }, { topK: 6, keep: 'middle', perDomain: true }])(
    'a row at the cut that was kept, but not taken of the order: %j',
    (selection) => {
      const { record } = planBy(selection);
      const one = planOf(Uint32Array.of(59), null, { method: 'shuffle', seed: 0 });
      const cuts = selection.perDomain ? Object.values(record.selection!.domains!) : [record.selection!];
      for (const limit of cuts.flatMap(({ lowest, highest }) => [lowest!, highest!])) {
        const row = rows[values.indexOf(limit)];
        expect(why(row, { name: 'x', plan: one, record: { ...record, limit: 1 } })?.reason).toBe('limit');
      }
    },
  );

  test('a domain of which nothing stays', () => {
    const rare = Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    const scores = Float64Array.from(rare);
    const domains = ['rare', ...Array<string>(9).fill('odd')];
    const { places, record } = selectPlaces(scores, { topRatio: 0.2, perDomain: true }, { rows: rare, domains });
    const plan = planOf(places, scores, { method: 'sort' });
    record.domains = { even: record.domains!.rare, odd: record.domains!.odd };
    const traced = { name: 'x', plan, record: { selection: record, selectedBy: BY } };
    expect(why(0, traced, [{ ...column, rows: rare, values: scores }])?.explanation).toContain(
      'nothing is kept of domain even',
    );
  });

  test('rows beyond those that were selected among, and beyond those that were taken of the order', () => {
    const { record } = planBy({ topK: 5 });
    const none = planOf(Uint32Array.of(59), null, { method: 'shuffle', seed: 0 });
    const considered: PlanRecord = { ...record, selection: { ...record.selection!, of: 10 } };
    expect(why(rows[10], { name: 'x', plan: none, record: considered })?.reason).toBe('not considered');
    const best = rows[values.indexOf(Math.max(...values))];
    expect(why(best, { name: 'x', plan: none, record: { ...record, limit: 1 } })).toMatchObject({
      reason: 'limit',
      explanation: expect.stringContaining('the 1 rows') as string,
    });
    expect(why(best, { name: 'x', plan: none, record })?.explanation).toContain('made from other scores');
  });

  test('as much as is known without scores, without a rule, without anything', () => {
    const traced = planBy({ topK: 5 });
    const row = rows[values.indexOf(Math.min(...values))];
    expect(why(row, traced, [])).toMatchObject({ reason: 'unknown', rule: 'the 5 rows with the highest lqs' });
    const none = planOf(Uint32Array.of(59), null, { method: 'shuffle', seed: 0 });
    expect(why(1, { name: 'x', plan: none, record: { from: 'the pool' } })?.explanation).toContain('the pool');
    expect(why(1, { name: 'x', plan: none, record: {} })?.explanation).toContain('does not say');
  });
});

describe('records of plans', () => {
  test('infinite scores and thresholds survive', () => {
    const { record } = selectPlaces(Float64Array.of(-Infinity, 1, Infinity), { above: 0 });
    expect(record.highest).toBe(Infinity);
    expect(recordOf('p', recordMetadata({ selection: record }))).toEqual({ selection: record });
  });

  test('no record is an empty one, and a broken one an error that names the file', () => {
    expect(recordOf('p', { plan: 'x' })).toEqual({});
    expect(() => recordOf('p.arrow', { 'gradfold.plan': '{' })).toThrow('p.arrow, metadata gradfold.plan');
  });
});
