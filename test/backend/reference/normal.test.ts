import { describe, expect, it } from 'vitest';
import { erf, erfc, normalCdf, normalPdf } from '../../../lib/backend/reference/normal.ts';

// To 17 digits or more, computed with 40.
const KNOWN: [x: number, erf: number, erfc: number][] = [
  [1e-300, 1.1283791670955126e-300, 1.0],
  [1e-8, 1.1283791670955126e-8, 0.99999998871620833],
  [0.1, 0.1124629160182849, 0.8875370839817151],
  [0.5, 0.52049987781304654, 0.47950012218695346],
  [1, 0.84270079294971487, 0.15729920705028513],
  [1.5, 0.96610514647531073, 0.033894853524689273],
  [1.9999999, 0.99532226295225378, 0.0046777370477462158],
  [2, 0.99532226501895273, 0.0046777349810472658],
  [2.5, 0.99959304798255504, 0.00040695201744495894],
  [3, 0.99997790950300141, 2.2090496998585441e-5],
  [5, 0.99999999999846254, 1.5374597944280349e-12],
  [8, 1.0, 1.1224297172982927e-29],
  [20, 1.0, 5.3958656116079009e-176],
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
