import { Error as ErrorLevel, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { OrderMethod } from '../../lib/order/methods.ts';
import { planOf } from '../../lib/order/plan.ts';
import { randomNormals } from '../../lib/random.ts';

const ROWS = 120;
/** Greys and colours that can be read on white and on black. */
const GREY = '#888888';
const COLORS = ['#3b82c4', '#e08a1e', '#3a9d6a', '#b5539c', '#c2503f', '#7a6fd0'];

const SHOWN: Record<string, OrderMethod> = {
  ascending: { method: 'sort' },
  descending: { method: 'sort', descending: true },
  fold: { method: 'fold', layers: 3 },
  zigzag: { method: 'zigzag', layers: 3 },
  jitter: { method: 'jitter', window: 24, seed: 0 },
  segments: { method: 'segments', segments: 6, seed: 0 },
  shuffle: { method: 'shuffle', seed: 0 },
};

/** Score against position in each order, as the library gives it: SVG by name. */
export async function orderingPictures(): Promise<Record<string, string>> {
  const scores = new Float64Array(ROWS);
  randomNormals(scores, 1, 0);
  const rows = Uint32Array.from(scores, (_, row) => row);
  const drawn = Object.entries(SHOWN).map(async ([name, order]) => {
    const plan = planOf(rows, scores, order);
    const points = Array.from(plan.rows, (row, position) => ({
      position,
      score: scores[row],
      layer: plan.layers[position],
    }));
    return [name, await draw(points)] as const;
  });
  return Object.fromEntries(await Promise.all(drawn));
}

async function draw(points: { position: number; score: number; layer: number }[]): Promise<string> {
  const axis = { grid: false, labels: false, ticks: false, domainColor: GREY, titleColor: GREY, titleFontSize: 12 };
  const layers = [...new Set(points.map(({ layer }) => layer))].sort((a, b) => a - b);
  const spec = {
    width: 360,
    height: 110,
    padding: 6,
    background: 'transparent',
    config: { view: { stroke: null }, font: 'system-ui, sans-serif', axis: { titleFontWeight: 'normal' }, aria: false },
    data: { values: points },
    mark: { type: 'circle', size: 18, opacity: 1 },
    encoding: {
      x: { field: 'position', type: 'quantitative', title: 'position in training', axis, scale: { nice: false } },
      y: { field: 'score', type: 'quantitative', title: 'score', axis, scale: { zero: false } },
      color: { field: 'layer', type: 'nominal', legend: null, scale: { domain: layers, range: COLORS } },
    },
  };
  const view = new View(parse(compile(spec as TopLevelSpec).spec), { renderer: 'none', logLevel: ErrorLevel });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
