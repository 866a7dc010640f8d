import { describe, expect, it } from 'vitest';
import { bestFitDecreasing } from '../../lib/condition/pack/best-fit.ts';
import { PACK_STRATEGIES, type PackedRow, type PackStrategy } from '../../lib/condition/pack/row-packer.ts';
import { packDocuments, packRows } from '../../lib/condition/pack-documents.ts';
import { collate, predictedTokens } from '../../lib/data/batch.ts';
import { randomUint32 } from '../../lib/random.ts';

interface Case {
  length: number;
  documents: { inputIds: number[]; labels: number[] }[];
}

/** Documents whose tokens all differ, so that each can be found again; a third of the labels are ignored. */
function randomCase(seed: number): Case {
  const draw = (index: number, below: number) => randomUint32(seed, 0, index) % below;
  const length = 2 + draw(0, 40);
  const longest = 1 + draw(1, 3 * length);
  let token = 0;
  const documents = Array.from({ length: draw(2, 60) }, (_, d) => {
    const inputIds = Array.from({ length: draw(10 + d, longest + 1) }, () => token++);
    return { inputIds, labels: inputIds.map((id) => (draw(1000 + id, 3) === 0 ? -100 : id)) };
  });
  return { length, documents };
}

const CASES = Array.from({ length: 120 }, (_, seed) => [seed, randomCase(seed)] as const);

interface PieceOfRow {
  document: number;
  tokens: number[];
  labels: number[];
}

/** A row's pieces, checked to be what the row says of them. */
function piecesOf(row: PackedRow): PieceOfRow[] {
  const { inputIds, labels, documentIds, documents, starts } = row;
  const ids = documents.flatMap((_, id) =>
    Array.from({ length: (starts[id + 1] ?? inputIds.length) - starts[id] }, () => id),
  );
  expect([starts[0], labels.length, documentIds.join()]).toEqual([0, inputIds.length, ids.join()]);
  expect(new Set(ids).size).toBe(documents.length); // no piece is empty
  return documents.map((document, id) => {
    const [begin, end] = [starts[id], starts[id + 1] ?? inputIds.length];
    return { document, tokens: [...inputIds.subarray(begin, end)], labels: [...labels.subarray(begin, end)] };
  });
}

/** A piece is a run of its document, with the document's labels except on its first token. */
function expectRun({ document, tokens, labels }: PieceOfRow, { documents }: Case): number {
  const { inputIds, labels: given } = documents[document];
  const from = inputIds.indexOf(tokens[0]);
  expect(tokens.join()).toBe(inputIds.slice(from, from + tokens.length).join());
  expect(labels.join()).toBe([-100, ...given.slice(from + 1, from + tokens.length)].join());
  return from;
}

describe.each(PACK_STRATEGIES)('%s', (strategy) => {
  it('keeps documents apart, rows within their length, and counts what it does', () => {
    for (const [, problem] of CASES) {
      const { length, documents } = problem;
      const { rows, counts } = packDocuments(documents, { length, strategy });
      const pieces = rows.flatMap(piecesOf);
      const firsts = new Map<number, number>();
      for (const piece of pieces) {
        const from = expectRun(piece, problem);
        if (from === 0) firsts.set(piece.document, piece.tokens.length);
      }
      for (const { inputIds } of rows) expect(inputIds.length).toBeLessThanOrEqual(length);
      const given = documents.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      const tokens = rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      const padding = rows.length * length - tokens;
      expect(counts).toEqual({
        documents: documents.length,
        rows: rows.length,
        tokens,
        predictedTokens: rows.reduce((sum, row) => sum + predictedTokens(row), 0),
        truncatedTokens: given - tokens,
        cutDocuments: [...firsts].filter(([document, size]) => size < documents[document].inputIds.length).length,
        padding,
        paddingShare: padding === 0 ? 0 : padding / (rows.length * length),
      });
    }
  });

  it('gives the same rows one by one, again, and without labels', () => {
    for (const [, { length, documents }] of CASES.slice(0, 30)) {
      const options = { length, strategy };
      const { rows } = packDocuments(documents, options);
      expect([...packRows(documents, options)]).toEqual(rows);
      const bare = packDocuments(
        documents.map(({ inputIds }) => Int32Array.from(inputIds)),
        options,
      ).rows;
      expect(bare.map(({ inputIds, documentIds, documents: of }) => ({ inputIds, documentIds, of }))).toEqual(
        rows.map(({ inputIds, documentIds, documents: of }) => ({ inputIds, documentIds, of })),
      );
      bare.forEach(({ inputIds, labels, starts }) => {
        expect(labels).toEqual(inputIds.map((id, t) => (starts.includes(t) ? -100 : id)));
      });
    }
  });

  it('makes one document of a row where attention may cross', () => {
    for (const [, { length, documents }] of CASES.slice(0, 30)) {
      const apart = packDocuments(documents, { length, strategy });
      const crossing = packDocuments(documents, { length, strategy, crossDocumentAttention: true });
      expect(crossing.counts).toEqual(apart.counts);
      expect(crossing.rows).toEqual(
        apart.rows.map((row) => ({ ...row, documentIds: new Int32Array(row.inputIds.length) })),
      );
    }
  });
});

/** Every token of every document, in order, from the pieces of all rows. */
function expectEverything(problem: Case, rows: readonly PackedRow[]): void {
  const pieces = rows.flatMap(piecesOf).sort((a, b) => a.tokens[0] - b.tokens[0]);
  expect(pieces.flatMap(({ tokens }) => tokens)).toEqual(problem.documents.flatMap(({ inputIds }) => inputIds));
}

describe('pack', () => {
  it('is the documents one after the other, cut every `length` tokens', () => {
    for (const [, problem] of CASES) {
      const { rows } = packDocuments(problem.documents, { length: problem.length, strategy: 'pack' });
      expectEverything(problem, rows);
      const stream = problem.documents.flatMap(({ inputIds }) => inputIds);
      rows.forEach(({ inputIds }, r) => {
        expect([...inputIds]).toEqual(stream.slice(r * problem.length, (r + 1) * problem.length));
      });
    }
  });
});

describe('pack-complete', () => {
  it('begins every row with a document, and fills all but the last', () => {
    for (const [, problem] of CASES) {
      const { rows, counts } = packDocuments(problem.documents, { length: problem.length, strategy: 'pack-complete' });
      const pieces = rows.map(piecesOf);
      for (const piece of pieces.flat()) expect(expectRun(piece, problem)).toBe(0);
      for (const { inputIds } of rows.slice(0, -1)) expect(inputIds).toHaveLength(problem.length);
      // Documents come in order, none is left out, and only the last of a row is cut.
      const filled = problem.documents.flatMap(({ inputIds }, d) => (inputIds.length > 0 ? [d] : []));
      expect(pieces.flat().map(({ document }) => document)).toEqual(filled);
      for (const { document, tokens } of pieces.flatMap((row) => row.slice(0, -1))) {
        expect(tokens).toHaveLength(problem.documents[document].inputIds.length);
      }
      const lost = pieces
        .flat()
        .map(({ document, tokens }) => problem.documents[document].inputIds.length - tokens.length);
      expect(counts.truncatedTokens).toBe(lost.reduce((sum, n) => sum + n, 0));
    }
  });
});

describe('best-fit', () => {
  const options = (length: number, bufferTokens?: number) => ({
    length,
    strategy: 'best-fit' as PackStrategy,
    bufferTokens,
  });

  it('places every token once, and cuts only documents longer than a row', () => {
    for (const [seed, problem] of CASES) {
      for (const bufferTokens of [undefined, 1 + (seed % 100)]) {
        const { rows } = packDocuments(problem.documents, options(problem.length, bufferTokens));
        expectEverything(problem, rows);
        for (const { document, tokens } of rows.flatMap(piecesOf)) {
          const whole = problem.documents[document].inputIds.length;
          if (whole <= problem.length) expect(tokens).toHaveLength(whole);
          else expect([problem.length, whole % problem.length]).toContain(tokens.length);
        }
      }
    }
  });

  it('packs a buffer by itself: documents that fill it are packed as if they were all', () => {
    const documents = Array.from({ length: 90 }, (_, d) => new Int32Array(1 + ((7 * (d % 30)) % 19)).fill(d));
    const parts = [0, 30, 60].map((begin) => documents.slice(begin, begin + 30));
    const tokens = parts[0].reduce((sum, { length }) => sum + length, 0); // the same in each
    const whole = packDocuments(documents, options(20, tokens)).rows;
    const apart = parts.flatMap((part) => packDocuments(part, options(20)).rows);
    expect(whole.map(({ inputIds }) => inputIds)).toEqual(apart.map(({ inputIds }) => inputIds));
    expect(packDocuments(documents, options(20)).rows.length).toBeLessThanOrEqual(whole.length);
  });

  it('agrees with the plainest best-fit-decreasing in the number of rows and their fill', () => {
    for (let seed = 0; seed < 200; seed++) {
      const capacity = 1 + (randomUint32(seed, 1, 0) % 70);
      const lengths = Array.from(
        { length: randomUint32(seed, 1, 1) % 80 },
        (_, i) => 1 + (randomUint32(seed, 2, i) % capacity),
      );
      const bins = bestFitDecreasing(lengths, capacity);
      expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      const fills = bins.map((bin) => bin.reduce((sum, item) => sum + lengths[item], 0)).sort((a, b) => a - b);
      expect(fills).toEqual(plainBestFit(lengths, capacity).sort((a, b) => a - b));
      // Bins in the order of their first items, items ascending.
      for (const bin of bins) expect(bin).toEqual([...bin].sort((a, b) => a - b));
      const firsts = bins.map(([first]) => first);
      expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    }
  });

  it('truncates fewer documents than the others and pads little', () => {
    const documents = Array.from({ length: 2000 }, (_, d) => new Int32Array(10 + (randomUint32(5, 0, d) % 300)));
    const counts = Object.fromEntries(
      PACK_STRATEGIES.map((strategy) => [strategy, packDocuments(documents, { length: 256, strategy }).counts]),
    );
    expect(counts['best-fit'].cutDocuments).toBe(documents.filter(({ length }) => length > 256).length);
    expect(counts['best-fit'].cutDocuments).toBeLessThan(counts.pack.cutDocuments / 2);
    expect(counts['best-fit'].paddingShare).toBeLessThan(0.01);
    expect([counts.pack.truncatedTokens, counts['best-fit'].truncatedTokens]).toEqual([0, 0]);
    expect(counts['pack-complete'].truncatedTokens).toBeGreaterThan(0);
  });
});

/** The fill of each bin. */
function plainBestFit(lengths: readonly number[], capacity: number): number[] {
  const fills: number[] = [];
  for (const length of [...lengths].sort((a, b) => b - a)) {
    let best = -1;
    fills.forEach((fill, bin) => {
      if (fill + length <= capacity && (best < 0 || fill > fills[best])) best = bin;
    });
    if (best < 0) fills.push(length);
    else fills[best] += length;
  }
  return fills;
}

describe('packDocuments', () => {
  it('gives rows that collate takes', () => {
    const { rows } = packDocuments(
      [
        [1, 2, 3],
        [4, 5],
        [6, 7, 8, 9],
      ],
      { length: 6, strategy: 'best-fit' },
    );
    const batch = collate(rows, { length: 6 });
    expect([...batch.inputIds]).toEqual([1, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8, 9]);
    expect([...batch.labels]).toEqual([-100, 2, 3, -100, -100, -100, -100, 5, -100, 7, 8, 9]);
    expect([...batch.documentIds!]).toEqual([0, 0, 0, -1, -1, -1, 0, 0, 1, 1, 1, 1]);
  });

  it('takes nothing', () => {
    const counts = { documents: 0, rows: 0, tokens: 0, predictedTokens: 0, truncatedTokens: 0, cutDocuments: 0 };
    expect(packDocuments([], { length: 8 })).toEqual({ rows: [], counts: { ...counts, padding: 0, paddingShare: 0 } });
  });

  it('names what is wrong', () => {
    const options = { length: 8 };
    expect(() => packDocuments([[1], [2, 0.5]], options)).toThrow(/documents\[1\]\[1\]: expected an integer/);
    expect(() => packDocuments([{ inputIds: [1, 2], labels: [1] }], options)).toThrow(
      /documents\[0\].labels: expected 2/,
    );
    expect(() => packDocuments(['text' as never], options)).toThrow(/documents\[0\]: expected an object/);
    expect(() => packDocuments(7 as never, options)).toThrow(/documents: expected an array of documents/);
    expect(() => packDocuments([], { length: 1 })).toThrow(
      /length: expected an integer >= 2|length: expected an integer in/,
    );
    expect(() => packDocuments([], { length: 8, strategy: 'first-fit' as PackStrategy })).toThrow(
      /strategy: expected one of/,
    );
    expect(() => packDocuments([], { length: 8, bufferTokens: 0 })).toThrow(/bufferTokens/);
  });
});
