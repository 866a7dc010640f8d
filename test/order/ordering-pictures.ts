import type { OrderMethod } from '../../lib/order/methods.ts';
import { planOf } from '../../lib/order/plan.ts';
import { randomNormals } from '../../lib/random.ts';

const ROWS = 120;
const [WIDTH, HEIGHT] = [360, 110];
/** Room for the axes and their titles. */
const [LEFT, TOP, BOTTOM] = [22, 6, 22];
/** A grey and colours that can be read on white and on black. */
const GREY = '#888888';
const COLORS = ['#3b82c4', '#e08a1e', '#3a9d6a', '#b5539c', '#c2503f', '#7a6fd0'];

const SHOWN: Record<string, OrderMethod> = {
  ascending: { method: 'sort' },
  descending: { method: 'sort', descending: true },
  fold: { method: 'fold', layers: 3 },
  zigzag: { method: 'zigzag', layers: 3 },
  jitter: { method: 'jitter', window: 24, seed: 0 },
  segments: { method: 'segments', segments: 6, seed: 2 },
  shuffle: { method: 'shuffle', seed: 0 },
};

/** Score against position in each order, as the library gives it: SVG by name. */
export function orderingPictures(): [name: string, svg: string][] {
  const scores = new Float64Array(ROWS);
  randomNormals(scores, 1, 0);
  const rows = Uint32Array.from(scores, (_, row) => row);
  const [lowest, highest] = [Math.min(...scores), Math.max(...scores)];
  return Object.entries(SHOWN).map(([name, order]) => {
    const plan = planOf(rows, scores, order);
    const dots = Array.from(plan.rows, (row, position) => ({
      x: LEFT + (WIDTH * (position + 0.5)) / ROWS,
      y: TOP + (HEIGHT * (highest - scores[row])) / (highest - lowest),
      color: COLORS[plan.layers[position]],
    }));
    return [name, draw(name, dots)];
  });
}

function draw(name: string, dots: { x: number; y: number; color: string }[]): string {
  const [right, bottom] = [LEFT + WIDTH, TOP + HEIGHT + 4];
  const groups = COLORS.flatMap((color) => {
    const own = dots.filter((dot) => dot.color === color);
    const circles = own.map(({ x, y }) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="2.2"/>`);
    return own.length > 0 ? [`<g fill="${color}">`, ...circles, '</g>'] : [];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${right + 4}" height="${bottom + BOTTOM}" role="img">`,
    `<title>${name}: score against position in training</title>`,
    `<path d="M${LEFT - 4},${TOP}V${bottom}H${right}" fill="none" stroke="${GREY}"/>`,
    `<g fill="${GREY}" font-family="system-ui, sans-serif" font-size="12" text-anchor="middle">`,
    `<text x="${LEFT + WIDTH / 2}" y="${bottom + 16}">position in training</text>`,
    `<text transform="translate(12,${TOP + HEIGHT / 2}) rotate(-90)">score</text>`,
    '</g>',
    ...groups,
    '</svg>',
  ].join('\n')}\n`;
}
