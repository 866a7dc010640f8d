import type { Comparison, Peer } from './comparisons.ts';
import type { Inputs } from './inputs.ts';
import { median, relativeDifference } from '../statistics.ts';
import { Worker, type Side } from './process.ts';
import type { Job } from './protocol.ts';

/** One side's part of a measured pair. */
export interface Figures {
  /** Seconds of every repetition. */
  samples: number[];
  seconds: number;
  peakBytes: number;
}

export interface Pair {
  row: Comparison['row'];
  what: string;
  peer: Peer;
  /** Why there are no figures. */
  unavailable?: string;
  ours?: Figures;
  theirs?: Figures;
  /** The largest difference between what the two sides computed, over the largest of the peer's values. */
  difference?: number;
}

export interface Sides {
  ours: Side;
  peers: Side;
  device: Job['device'];
  threads: number;
  gemm: Job['gemm'];
  rounds: number;
}

/**
 * Runs one job of ours and one of a peer in turn, A B A B …, each in a process of its own, so that a disturbance falls on
 * both alike and each has its own peak memory. No more than two processes live at a time.
 */
export async function measurePair(sides: Sides, comparison: Comparison, peer: Peer, inputs: Inputs): Promise<Pair> {
  const pair: Pair = { row: comparison.row, what: comparison.what, peer };
  const input = await inputs.of(comparison.input);
  const { device, threads, gemm } = sides;
  const job = (name: string): Job => ({ name, device, threads, gemm, ...input });
  const started: Worker[] = [];
  try {
    const answers: number[][] = [];
    for (const [side, name] of [
      [sides.ours, comparison.ours],
      [peer.own ? sides.ours : sides.peers, peer.job],
    ] as const) {
      const { worker, prepared } = await Worker.start(side, job(name));
      started.push(worker);
      if ('unavailable' in prepared) return { ...pair, unavailable: prepared.unavailable };
      answers.push(prepared.answer);
    }
    const [a, b] = started;
    for (const worker of [a, b]) await worker.run(); // compilers and allocators settle in the second run
    const figures = [newFigures(), newFigures()];
    for (let round = 0; round < sides.rounds; round++) {
      for (const [i, worker] of [a, b].entries()) {
        const { seconds, peakBytes } = await worker.run();
        figures[i].samples.push(seconds);
        figures[i].peakBytes = peakBytes;
      }
    }
    for (const side of figures) side.seconds = median(side.samples);
    return {
      ...pair,
      ours: figures[0],
      theirs: figures[1],
      difference: peer.own ? undefined : relativeDifference(answers[0], answers[1]),
    };
  } finally {
    for (const worker of started) await worker.close();
  }
}

const newFigures = (): Figures => ({ samples: [], seconds: 0, peakBytes: 0 });
