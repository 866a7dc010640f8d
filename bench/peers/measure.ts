import type { Comparison, Peer } from './comparisons.ts';
import type { Inputs } from './inputs.ts';
import { median, relativeDifference } from '../statistics.ts';
import { Worker, WorkerEnded, type Side } from './process.ts';
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
  /** A process ended before its time. */
  ended?: boolean;
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
  recompute: Job['recompute'];
  rounds: number;
  /** One process at a time. */
  apart: boolean;
}

/** A side's program and what it is to do. */
type Part = readonly [Side, Job];

/** What the two sides answered and took, or why there is nothing. */
type Measured = { answers: number[][]; figures: Figures[] } | { unavailable: string };

/**
 * Runs one job of ours and one of a peer in turn, A B A B …, each in a process of its own, so that a disturbance falls on
 * both alike and each has its own peak memory. No more than two processes live at a time, with `apart` one.
 */
export async function measurePair(sides: Sides, comparison: Comparison, peer: Peer, inputs: Inputs): Promise<Pair> {
  const pair: Pair = { row: comparison.row, what: comparison.what, peer };
  const input = await inputs.of(comparison.input);
  const { device, threads, gemm, recompute, rounds } = sides;
  const job = (name: string): Job => ({ name, device, threads, gemm, recompute, ...input });
  const parts: Part[] = [
    [sides.ours, job(comparison.ours)],
    [peer.own ? sides.ours : sides.peers, job(peer.job)],
  ];
  const measured = await (sides.apart ? oneAfterTheOther : sideBySide)(parts, rounds).catch((error: unknown) => {
    // The table goes on: the other rows take their time too.
    if (error instanceof WorkerEnded) return { unavailable: error.message, ended: true };
    throw error;
  });
  if ('unavailable' in measured) return { ...pair, ...measured };
  const { figures, answers } = measured;
  for (const side of figures) side.seconds = median(side.samples);
  return {
    ...pair,
    ours: figures[0],
    theirs: figures[1],
    difference: peer.own ? undefined : relativeDifference(answers[0], answers[1]),
  };
}

async function sideBySide(parts: Part[], rounds: number): Promise<Measured> {
  const started: Worker[] = [];
  try {
    const answers: number[][] = [];
    for (const part of parts) {
      const { worker, prepared } = await Worker.start(...part);
      started.push(worker);
      if ('unavailable' in prepared) return prepared;
      answers.push(prepared.answer);
    }
    for (const worker of started) await settle(worker);
    const figures = parts.map(newFigures);
    for (let round = 0; round < rounds; round++) {
      for (const [i, worker] of started.entries()) await repeat(worker, figures[i]);
    }
    return { answers, figures };
  } finally {
    for (const worker of started) await worker.close();
  }
}

/** Each repetition in a process of its own, for jobs that do not fit into memory beside each other. */
async function oneAfterTheOther(parts: Part[], rounds: number): Promise<Measured> {
  const answers: number[][] = [];
  const figures = parts.map(newFigures);
  for (let round = 0; round < rounds; round++) {
    for (const [i, part] of parts.entries()) {
      const { worker, prepared } = await Worker.start(...part);
      try {
        if ('unavailable' in prepared) return prepared;
        answers[i] = prepared.answer;
        await settle(worker);
        await repeat(worker, figures[i]);
      } finally {
        await worker.close();
      }
    }
  }
  return { answers, figures };
}

/** Compilers and allocators settle in the second run. */
async function settle(worker: Worker): Promise<void> {
  await worker.run();
}

async function repeat(worker: Worker, figures: Figures): Promise<void> {
  const { seconds, peakBytes } = await worker.run();
  figures.samples.push(seconds);
  figures.peakBytes = peakBytes;
}

const newFigures = (): Figures => ({ samples: [], seconds: 0, peakBytes: 0 });
