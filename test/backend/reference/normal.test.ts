import { describe, expect, it } from 'vitest';
import { erf, erfc, normalCdf, normalPdf } from '../../../lib/backend/reference/normal.ts';

// Computed with 40 digits and rounded to float64.
const KNOWN: [x: number, erf: number, erfc: number][] = [
  [1e-300, 1.1283791670955126e-300, 1.0],
  [1e-8, 1.1283791670955126e-8, 0.9999999887162083],
  [0.1, 0.1124629160182849, 0.887537083981715],
  [0.5, 0.5204998778130465, 0.4795001221869535],
  [1.0, 0.8427007929497149, 0.15729920705028513],
  [1.5, 0.9661051464753108, 0.033894853524689274],
  [1.9999999, 0.9953222629522538, 0.004677737047746216],
  [2.0, 0.9953222650189527, 0.004677734981047266],
  [2.5, 0.999593047982555, 0.0004069520174449589],
  [3.0, 0.9999779095030014, 2.209049699858544e-5],
  [5.0, 0.9999999999984626, 1.537459794428035e-12],
  [8.0, 1.0, 1.1224297172982926e-29],
  [20.0, 1.0, 5.395865611607901e-176],
];

const EPSILON = 2 ** -52;

describe('erf and erfc', () => {
  it.each(KNOWN)('are exact to a few roundings at %d', (x, ofErf, ofErfc) => {
    expect(Math.abs(erf(x) / ofErf - 1)).toBeLessThanOrEqual(4 * EPSILON);
    expect(erf(-x)).toBe(-erf(x));
    // From 2 on erfc has its own expansion, in which e^{−x²} magnifies the rounding of x² by x².
    const bound = x < 2 ? 4 : (4 + 2 * x * x) * ofErfc;
    expect(Math.abs(erfc(x) - ofErfc)).toBeLessThanOrEqual(bound * EPSILON);
    expect(Math.abs(erfc(-x) - (2 - ofErfc))).toBeLessThanOrEqual(4 * EPSILON);
  });

  it('reach their ends', () => {
    expect([erf(0), erfc(0), erf(Infinity), erfc(Infinity), erf(-Infinity)]).toEqual([0, 1, 1, 0, -1]);
    expect(erf(NaN)).toBeNaN();
  });

  it('meet where one expansion takes over from the other', () => {
    const [below, above] = [2 - 1e-9, 2 + 1e-9];
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-4);
    expect(Math.abs(erf(above) - erf(below) - 2e-9 * slope)).toBeLessThan(4 * EPSILON);
  });
});

describe('normalCdf and normalPdf', () => {
  it('have the quantiles and the height everybody knows', () => {
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(1.959963984540054)).toBeCloseTo(0.975, 15);
    expect(normalCdf(-1.959963984540054)).toBeCloseTo(0.025, 15);
    expect(normalPdf(0)).toBeCloseTo(0.3989422804014327, 16);
    expect(normalPdf(-1)).toBe(normalPdf(1));
  });
});
